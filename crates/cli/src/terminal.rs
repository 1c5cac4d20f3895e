//! What the streams are: terminals, colours, widths.

use std::io::IsTerminal;

use scoville_report::Style;

/// Columns where there is no terminal, or one that does not say.
const WIDTH: usize = 100;

/// How to draw on stdout.
pub fn stdout_style() -> Style {
    style(
        std::io::stdout().is_terminal(),
        terminal_size::terminal_size(),
    )
}

/// How to draw on stderr.
pub fn stderr_style() -> Style {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    style(std::io::stderr().is_terminal(), size)
}

fn style(terminal: bool, size: Option<(terminal_size::Width, terminal_size::Height)>) -> Style {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let size = size.filter(|(width, height)| width.0 > 0 && height.0 > 0);
    Style {
        color: terminal && !set("NO_COLOR") && !dumb,
        width: size.map_or(WIDTH, |(width, _)| width.0.into()),
        height: size.map_or(usize::MAX, |(_, height)| height.0.into()),
        live: terminal && !dumb,
        unicode: speaks_utf8(),
    }
}

/// Whether the locale asks for UTF-8, by the precedence that POSIX gives its variables.
fn speaks_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    match locale {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        None => cfg!(any(windows, target_os = "macos")),
    }
}

/// Burn panics on what it cannot do; the runtime contains that and returns a typed error. The default hook would print
/// a second, frightening message first.
pub fn quiet_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v != "0") {
            default(info);
        }
    }));
}

/// Mesa's device-select layer looks for a Wayland display and complains on stderr where there is none. Devices are chosen
/// by index here, so the layer is not needed.
pub fn quiet_vulkan_loader() {
    #[cfg(target_os = "linux")]
    if std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: called first thing in `main`, while no other thread exists that could read the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

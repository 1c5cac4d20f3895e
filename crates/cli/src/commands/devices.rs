//! `scoville devices`

use scoville_kernels::{AdapterInfo, Device, DeviceSpec, adapters};
use serde_json::json;

use super::{columns, print};
use crate::args::JsonArgs;
use crate::exit::{Exit, Failure, OrFail};

pub fn run(args: &JsonArgs) -> Result<Exit, Failure> {
    let adapters = adapters();
    let auto = Device::open(&DeviceSpec::Auto).or_fail(Exit::Unreachable, "auto")?;
    print(&if args.json {
        lines(&adapters, &auto)
    } else {
        table(&adapters, &auto)
    })
}

fn is_auto(adapter: &AdapterInfo, auto: &Device) -> bool {
    match auto {
        Device::Cpu => false,
        Device::Gpu(gpu) => gpu.info().api == adapter.api && gpu.info().index == adapter.index,
    }
}

fn table(adapters: &[AdapterInfo], auto: &Device) -> String {
    let head = [
        "",
        "DEVICE",
        "NAME",
        "KIND",
        "DRIVER",
        "BINDING",
        "WORKGROUP",
        "SUBGROUP",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    let marker = |yes: bool| if yes { "*" } else { "" }.to_owned();
    let cpu = Device::Cpu;
    let mut cpu_row = vec![
        marker(!auto.is_gpu()),
        "cpu".into(),
        cpu.name(),
        "cpu".into(),
    ];
    cpu_row.extend(["-", "-", "-", "-"].map(String::from));
    rows.push(cpu_row);
    rows.extend(adapters.iter().map(|a| {
        vec![
            marker(is_auto(a, auto)),
            format!("{}:{}", a.api, a.index),
            a.name.clone(),
            a.kind.clone(),
            a.driver.clone(),
            format!("{} MiB", a.limits.max_storage_binding >> 20),
            format!(
                "{} x {} KiB",
                a.limits.max_workgroup_invocations,
                a.limits.workgroup_memory >> 10
            ),
            format!("{}..{}", a.limits.subgroup.0, a.limits.subgroup.1),
        ]
    }));
    let mut text = columns(&rows);
    text += &format!(
        "\n* what --device auto takes: {}, {}\n",
        auto.backend(),
        auto.name()
    );
    if adapters.iter().all(|a| a.software) {
        let words = "No GPU was found; `scoville doctor` says what to do. Software rasterisers are never taken by auto.";
        text += &columns(&[vec![words.into()]]);
    }
    text
}

fn lines(adapters: &[AdapterInfo], auto: &Device) -> String {
    let cpu = json!({"device": "cpu", "name": Device::Cpu.name(), "software": false, "auto": !auto.is_gpu()});
    let line = |a: &AdapterInfo| {
        json!({
            "device": format!("{}:{}", a.api, a.index),
            "name": a.name,
            "kind": a.kind,
            "driver": a.driver,
            "software": a.software,
            "auto": is_auto(a, auto),
            "max_buffer_size": a.limits.max_buffer_size,
            "max_storage_binding": a.limits.max_storage_binding,
            "workgroup_memory": a.limits.workgroup_memory,
            "max_workgroup_invocations": a.limits.max_workgroup_invocations,
            "subgroup": [a.limits.subgroup.0, a.limits.subgroup.1],
        })
    };
    let all = std::iter::once(cpu).chain(adapters.iter().map(line));
    all.map(|object| format!("{object}\n")).collect()
}

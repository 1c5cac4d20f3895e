//! Samples before and after an attack, with the difference made visible.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Esc, titled};
use crate::{
    Record,
    text::{budget_word, eps_text},
};

/// One sample before and after an attack: pixels in `[0,1]`, channels first (`channels * height * width` values).
#[derive(Debug, Clone, PartialEq)]
pub struct SampleStrip {
    /// The sample's place in the data.
    pub index: usize,
    /// The class that it belongs to, and the one that the model takes it for after the attack.
    pub label: u32,
    pub predicted: u32,
    pub eps: f64,
    pub attack: String,
    /// ATLAS id.
    pub technique: String,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub clean: Vec<f32>,
    pub adversarial: Vec<f32>,
}

pub(super) fn section(record: &Record, strips: &[SampleStrip]) -> String {
    if strips.is_empty() {
        return String::new();
    }
    let figures: String = strips.iter().map(|s| figure(record, s)).collect();
    let body = format!(
        "<div class=\"strips\">\n{figures}</div>\n<p class=\"quiet\">The difference is amplified by the factor that stands under it; mid-grey is no change.</p>\n"
    );
    titled("Samples", body)
}

fn figure(record: &Record, s: &SampleStrip) -> String {
    let [label, predicted] = [s.label, s.predicted].map(|class| record.class_name(class));
    let (label, predicted) = (Esc(&label), Esc(&predicted));
    let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
    format!(
        r#"<figure>
<div class="images">{images}</div>
<figcaption><b>{label} → {predicted}</b><br>{budget} {eps} · {attack} · {technique} · sample {index}</figcaption>
</figure>
"#,
        images = images(s).unwrap_or_else(|| unseen(s)),
        budget = budget_word(norm),
        eps = eps_text(s.eps),
        attack = Esc(&s.attack),
        technique = Esc(&s.technique),
        index = s.index,
    )
}

/// The three images. `None` for what is not an image.
fn images(s: &SampleStrip) -> Option<String> {
    let gain = gain(s);
    let difference: Vec<f32> = s
        .clean
        .iter()
        .zip(&s.adversarial)
        .map(|(c, a)| 0.5 + (a - c) * gain)
        .collect();
    let image = |pixels: &[f32], title: &str| {
        let png = BASE64_STANDARD.encode(png(s, pixels)?);
        Some(format!(
            "<div><img alt=\"{title}\" src=\"data:image/png;base64,{png}\"><span>{title}</span></div>"
        ))
    };
    let [clean, adversarial, difference] = [
        image(&s.clean, "clean")?,
        image(&s.adversarial, "adversarial")?,
        image(&difference, &format!("difference × {gain}"))?,
    ];
    Some([clean, adversarial, difference].concat())
}

/// The whole factor that brings the largest change near black or white; below 1 where the change itself is larger.
fn gain(s: &SampleStrip) -> f32 {
    let changes = s
        .clean
        .iter()
        .zip(&s.adversarial)
        .map(|(c, a)| (a - c).abs());
    match changes.fold(0.0, f32::max) {
        0.0 => 1.0,
        largest if largest <= 0.5 => (0.5 / largest).floor().min(1000.0),
        _ => 0.5,
    }
}

fn unseen(s: &SampleStrip) -> String {
    format!(
        "<p class=\"quiet\">{}x{}x{} is no grey or RGB image, or the values do not fill it: not drawn.</p>",
        s.channels, s.height, s.width
    )
}

/// 8-bit PNG of channels-first pixels in `[0,1]`. `None` where shape and values do not make an image.
fn png(s: &SampleStrip, pixels: &[f32]) -> Option<Vec<u8>> {
    let color = match s.channels {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        _ => return None,
    };
    let plane = s.height.checked_mul(s.width).filter(|plane| *plane > 0)?;
    if Some(pixels.len()) != plane.checked_mul(s.channels) {
        return None;
    }
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let bytes: Vec<u8> = (0..plane)
        .flat_map(|at| {
            pixels
                .iter()
                .skip(at)
                .step_by(plane)
                .map(|value| byte(*value))
        })
        .collect();
    let mut out = vec![];
    let mut encoder = png::Encoder::new(
        &mut out,
        u32::try_from(s.width).ok()?,
        u32::try_from(s.height).ok()?,
    );
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().ok()?.write_image_data(&bytes).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn strip(channels: usize, clean: &[f32], adversarial: &[f32]) -> SampleStrip {
        SampleStrip {
            index: 17,
            label: 0,
            predicted: 3,
            eps: 8.0 / 255.0,
            attack: "apgd-ce".into(),
            technique: "AML.T0043.000".into(),
            channels,
            height: 1,
            width: clean.len() / channels,
            clean: clean.to_vec(),
            adversarial: adversarial.to_vec(),
        }
    }

    fn decoded(png: &[u8]) -> (png::OutputInfo, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        (info, bytes)
    }

    #[test]
    fn planes_become_pixels() {
        let planes = [1.0, 0.0, 0.0, 1.0, 0.5, 0.2]; // two pixels: R R G G B B
        let s = strip(3, &planes, &planes);
        let (info, bytes) = decoded(&png(&s, &s.clean).unwrap());
        assert_eq!(
            (info.width, info.height, info.color_type),
            (2, 1, png::ColorType::Rgb)
        );
        assert_eq!(bytes, [255, 0, 128, 0, 255, 51]);
        let s = strip(1, &[0.0, 1.0, 2.0, f32::NAN], &[0.0; 4]);
        assert_eq!(decoded(&png(&s, &s.clean).unwrap()).1, [0, 255, 255, 0]);
    }

    #[test]
    fn the_page_holds_three_images_that_decode() {
        let s = strip(1, &[0.5, 0.5], &[0.5 + 8.0 / 255.0, 0.5 - 8.0 / 255.0]);
        let html = images(&s).unwrap();
        let pngs: Vec<&str> = html
            .split("base64,")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(pngs.len(), 3);
        let bytes = |at: usize| decoded(&BASE64_STANDARD.decode(pngs[at]).unwrap()).1;
        assert_eq!(bytes(0), [128, 128]);
        assert_eq!(bytes(1), [136, 120]);
        assert!(html.contains("difference × 15<"));
        assert_eq!(bytes(2), [248, 8]);
    }

    #[test]
    fn the_difference_is_never_cut_off() {
        for (change, expected) in [
            (0.0, 1.0),
            (0.5, 1.0),
            (0.25, 2.0),
            (1.0, 0.5),
            (1e-6, 1000.0),
        ] {
            assert_eq!(
                gain(&strip(1, &[0.0], &[change])),
                expected,
                "change {change}"
            );
        }
    }

    #[test]
    fn what_is_no_image_is_said_so() {
        let record = Record::default();
        let two_channels = strip(2, &[0.0; 4], &[0.0; 4]);
        let short = SampleStrip {
            adversarial: vec![0.0],
            ..strip(1, &[0.0; 4], &[0.0; 4])
        };
        let huge = SampleStrip {
            height: usize::MAX,
            ..strip(3, &[0.0; 6], &[0.0; 6])
        };
        let empty = SampleStrip {
            height: 0,
            ..strip(1, &[], &[])
        };
        for s in [two_channels, short, huge, empty] {
            let html = figure(&record, &s);
            assert!(
                html.contains("not drawn") && !html.contains("<img"),
                "{html}"
            );
        }
    }
}

//! The lengths of resized axes, with their scales.

use crate::Fault;

/// What becomes of the aspect ratio where sizes are asked for.
pub(super) enum Policy {
    Stretch,
    NotLarger,
    NotSmaller,
}

/// Output and scale for each axis, rounded down.
pub(super) fn scaled(inputs: &[usize], scales: &[f32]) -> Result<Vec<(usize, f32)>, Fault> {
    let output = |(&input, &scale): (&usize, &f32)| {
        let output = input as f32 * scale;
        let fits = scale.is_finite() && scale > 0.0 && output < 1e15;
        fits.then_some((output as usize, scale))
    };
    let outputs: Option<Vec<_>> = inputs.iter().zip(scales).map(output).collect();
    outputs.ok_or_else(|| Fault::shape(format!("scales {scales:?} are no positive numbers")))
}

/// Output and scale for each axis of the asked `sizes`.
pub(super) fn sized(
    policy: &Policy,
    inputs: &[usize],
    sizes: &[i64],
) -> Result<Vec<(usize, f32)>, Fault> {
    let sizes: Option<Vec<usize>> = sizes.iter().map(|&s| usize::try_from(s).ok()).collect();
    let sizes = sizes.ok_or_else(|| Fault::shape("a size is negative"))?;
    let ratio = |(&input, &size): (&usize, &usize)| match input {
        0 => 1.0,
        _ => size as f32 / input as f32,
    };
    let ratios: Vec<f32> = inputs.iter().zip(&sizes).map(ratio).collect();
    let common = match policy {
        Policy::Stretch => return Ok(sizes.into_iter().zip(ratios).collect()),
        Policy::NotLarger => ratios.into_iter().reduce(f32::min),
        Policy::NotSmaller => ratios.into_iter().reduce(f32::max),
    };
    let scale = common.unwrap_or(1.0);
    let rounded = |&input: &usize| ((scale * input as f32 + 0.5) as usize, scale);
    Ok(inputs.iter().map(rounded).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(
            scaled(&[10, 3], &[1.7, 0.5]).expect("fits"),
            [(17, 1.7), (1, 0.5)]
        );
        assert!(scaled(&[1], &[f32::NAN]).is_err());
        let sized = |policy| sized(&policy, &[2, 4], &[4, 6]).expect("fits");
        assert_eq!(sized(Policy::Stretch), [(4, 2.0), (6, 1.5)]);
        assert_eq!(sized(Policy::NotLarger), [(3, 1.5), (6, 1.5)]);
        assert_eq!(sized(Policy::NotSmaller), [(4, 2.0), (8, 2.0)]);
    }
}

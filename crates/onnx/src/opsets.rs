//! Versions of operator sets.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::proto;

/// Versions of the default operator set whose operators the runtime may know.
const SUPPORTED: std::ops::RangeInclusive<i64> = 6..=27;

/// Versions by domain; `ai.onnx` is the long name of the default domain.
pub(crate) fn opsets(imports: Vec<proto::OperatorSet>) -> Result<BTreeMap<String, i64>, Error> {
    let mut opsets = BTreeMap::new();
    for import in imports {
        let domain = short_domain(&import.domain).to_owned();
        match opsets.insert(domain.clone(), import.version) {
            Some(first) if first != import.version => {
                return Err(Error::OpsetConflict {
                    domain,
                    first,
                    second: import.version,
                });
            }
            _ => {}
        }
    }
    Ok(opsets)
}

/// Refuses an operator of a domain without a version, or of the default one at a version that is not supported. A model may
/// name such a version as long as no node uses it, as some exports of classical models do.
pub(crate) fn check_use(opsets: &BTreeMap<String, i64>, domain: &str) -> Result<(), Error> {
    match opsets.get(domain) {
        None => Err(Error::MissingOpset {
            domain: domain.into(),
        }),
        Some(version) if domain.is_empty() && !SUPPORTED.contains(version) => Err(Error::Opset {
            version: *version,
            min: *SUPPORTED.start(),
            max: *SUPPORTED.end(),
        }),
        Some(_) => Ok(()),
    }
}

pub(crate) fn short_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(domain: &str, version: i64) -> proto::OperatorSet {
        proto::OperatorSet {
            domain: domain.into(),
            version,
        }
    }

    #[test]
    fn imports_by_domain() {
        let found = opsets(vec![
            import("ai.onnx", 13),
            import("", 13),
            import("ai.onnx.ml", 1),
        ]);
        let expected = BTreeMap::from([(String::new(), 13), ("ai.onnx.ml".into(), 1)]);
        assert_eq!(found.unwrap(), expected);
        let error = opsets(vec![import("", 13), import("ai.onnx", 14)]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("imported twice, at versions 13 and 14"),
            "{error}"
        );
    }

    #[test]
    fn versions_are_checked_where_a_node_uses_them() {
        let cases = [
            (i64::MIN, "", Some("opset -9223372036854775808")),
            (5, "", Some("opset 5 is not supported (supported: 6 to 27)")),
            (6, "", None),
            (27, "", None),
            (28, "", Some("opset 28")),
            (1, "ai.onnx.ml", None),
            (6, "com.microsoft", Some("domain \"com.microsoft\"")),
        ];
        for (version, domain, expected) in cases {
            let opsets = opsets(vec![import("", version), import("ai.onnx.ml", version)]);
            let found = check_use(&opsets.unwrap(), domain).map_err(|error| error.to_string());
            match (&found, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(expected)) if error.contains(expected) => {}
                _ => panic!("{version} {domain}: {found:?}"),
            }
        }
    }
}

//! The names under which others know alerts and groups. They are for display and for other
//! systems; Stentor's own keys are label sets.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use stentor_lang::model::Labels;
use stentor_lang::model::labels::quote;

/// Alertmanager's fingerprint of a label set, which it prints as sixteen hexadecimal digits:
/// FNV-1a over the sorted labels, each name and each value followed by the byte 0xff
/// (`model/signature.go` of prometheus/common).
pub fn fingerprint(labels: &Labels) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = OFFSET;
    let mut add = |part: &str| {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    };
    for (name, value) in labels {
        add(name);
        add(value);
    }
    hash
}

/// The key under which PagerDuty knows a group's incident: the SHA-256 of its group key in
/// hexadecimal, as Alertmanager sends it, so that a team that moves over keeps its open incidents.
pub fn dedup_key(group_key: &str) -> String {
    let mut key = String::with_capacity(64);
    for byte in Sha256::digest(group_key.as_bytes()) {
        write!(key, "{byte:02x}").expect("invariant: writing to a String");
    }
    key
}

/// Alertmanager's group key: the route's key, a colon, and the group's labels. Label names are
/// never quoted there, not even those that would need it.
pub fn group_key(route_key: &str, labels: &Labels) -> String {
    let mut key = format!("{route_key}:{{");
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            key.push_str(", ");
        }
        write!(key, "{name}={}", quote(value)).expect("invariant: writing to a String");
    }
    key.push('}');
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_alertmanager() {
        let print = |labels: &Labels| format!("{:016x}", fingerprint(labels));
        assert_eq!(print(&Labels::default()), "cbf29ce484222325");
        let test = Labels::from_pairs([("alertname", "test")]);
        assert_eq!(print(&test), "1f56cb8f931d1bd4");
        let disk = Labels::from_pairs([
            ("alertname", "Disk"),
            ("cluster", "a"),
            ("instance", "1"),
            ("job", "node"),
        ]);
        assert_eq!(print(&disk), "ec817c7208755585");
    }

    #[test]
    fn keys_are_those_of_alertmanager() {
        let labels = Labels::from_pairs([("alertname", "InstanceDown"), ("job", "node")]);
        let key = group_key("{}/{severity=\"page\"}", &labels);
        assert_eq!(
            key,
            r#"{}/{severity="page"}:{alertname="InstanceDown", job="node"}"#
        );
        assert_eq!(
            dedup_key(&key),
            "49320e459f884b1c5a81cf7852ae9a82bae93c909a0051e05c3f595a1a72ce42"
        );
        let labels = Labels::from_pairs([("köy.with dots", "1\n\"")]);
        assert_eq!(group_key("{}", &labels), "{}:{köy.with dots=\"1\\n\\\"\"}");
    }
}

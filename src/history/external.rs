//! The external labels of a Prometheus: its remote read adds them to all series, where its queries and
//! rules do not see them.

use serde::Deserialize;
use stentor_lang::model::Labels;
use stentor_lang::yaml;

use super::client::Client;

/// What the server's status says of its configuration; nothing where it has no such page: only Prometheus
/// adds labels, and its status is always open.
pub(super) fn ask(client: &Client) -> Option<Vec<u8>> {
    let reply = client.get("status/config").ok()?;
    (reply.status == 200).then_some(reply.body)
}

/// The external labels in such a status.
pub(super) fn read(body: &[u8]) -> Option<Vec<(String, String)>> {
    #[derive(Deserialize)]
    struct Reply {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        yaml: String,
    }
    let reply: Reply = serde_json::from_slice(body).ok()?;
    let parsed = yaml::parse(&reply.data.yaml);
    let labels = parsed.documents.first()?.as_mapping()?.get("global")?;
    let labels = labels.as_mapping()?.get("external_labels")?.as_mapping()?;
    let pairs = labels.entries.iter().map(|entry| {
        let value = entry.value.as_scalar()?;
        Some((entry.key.text().to_owned(), value.text().to_owned()))
    });
    pairs.collect()
}

/// The labels without those that were added. A series that has one of them by itself, with the same value,
/// cannot be told from one that has not.
pub(super) fn without(labels: &Labels, added: &[(String, String)]) -> Labels {
    let mut builder = labels.to_builder();
    for (name, value) in added {
        if labels.get(name) == value {
            builder.set(name, "");
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_in_the_status() {
        let body = br#"{"status":"success","data":{"yaml":"global:\n  scrape_interval: 1h\n  external_labels:\n    cluster: eu-1\n    replica: \"0\"\n"}}"#;
        let added = read(body).expect("labels");
        let expected = [("cluster", "eu-1"), ("replica", "0")];
        assert_eq!(added, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        let labels = Labels::from_pairs([("__name__", "a"), ("cluster", "eu-1"), ("replica", "1")]);
        let expected = Labels::from_pairs([("__name__", "a"), ("replica", "1")]);
        assert_eq!(without(&labels, &added), expected);
        assert_eq!(
            read(br#"{"status":"success","data":{"yaml":"a: 1"}}"#),
            None
        );
        assert_eq!(read(b"<html>"), None);
    }
}

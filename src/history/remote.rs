//! Raw samples by remote read: all selectors of a chunk in one request, and the chunks as Prometheus keeps
//! them in the answer.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use stentor_core::fixture::remote::{self, Malformed, Query};
use stentor_lang::model::Labels;
use stentor_lang::promql::store::SampleBuffer;

use super::api::refusal;
use super::client::{Failed, LONGEST_ANSWER, Reply};
use super::fetch::{Ask, Fetcher, Refused};

/// What an answer is; the first byte of what is kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Streamed = b'c' as isize,
    Samples = b's' as isize,
}

/// The samples of all selectors.
pub(super) fn ask(
    fetcher: &mut Fetcher,
    asks: &[Ask<'_>],
) -> Result<Vec<(Labels, SampleBuffer)>, Refused> {
    let query = |ask: &Ask<'_>| format!("{}\n{:?}", ask.need.text, ask.window);
    let parts: Vec<String> = asks.iter().map(query).collect();
    let key = format!("remote read\n{}", parts.join("\n"));
    let query = |ask: &'_ Ask<'_>| (ask.window.after, ask.window.to);
    let windows: Vec<(i64, i64)> = asks.iter().map(query).collect();
    let queries: Vec<Query<'_>> = asks
        .iter()
        .zip(&windows)
        .map(|(ask, (after, to))| Query {
            matchers: &ask.need.matchers,
            after: *after,
            to: *to,
        })
        .collect();
    if let Some(kept) = fetcher.cache.get(&key, &mut fetcher.told) {
        fetcher.told.bytes += kept.len() as u64;
        let (form, body) = kept.split_first().unwrap_or((&0, &[]));
        let form = if *form == b's' {
            Form::Samples
        } else {
            Form::Streamed
        };
        return Ok(decode(form, body, &queries)?);
    }
    fetcher.told.requests += 1;
    let reply = fetcher
        .client
        .bytes("read", &headers(), remote::request(&queries))?;
    fetcher.told.bytes += reply.body.len() as u64;
    let form = form(&reply)?;
    let series = decode(form, &reply.body, &queries)?;
    let to = windows.iter().map(|(_, to)| *to).max().unwrap_or(i64::MAX);
    let first = [form as u8];
    fetcher
        .cache
        .put(&key, to, &[&first, &reply.body], &mut fetcher.told);
    Ok(series)
}

fn headers() -> HeaderMap {
    let version = HeaderName::from_static("x-prometheus-remote-read-version");
    HeaderMap::from_iter([
        (CONTENT_ENCODING, HeaderValue::from_static("snappy")),
        (
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        ),
        (version, HeaderValue::from_static("0.1.0")),
    ])
}

/// The form of a good answer.
fn form(reply: &Reply) -> Result<Form, Refused> {
    let kind = reply.content_type.split(';').next().unwrap_or_default();
    match (reply.status, kind.trim()) {
        (200, "application/x-streamed-protobuf") => Ok(Form::Streamed),
        (200, "application/x-protobuf") => Ok(Form::Samples),
        (200, other) => Err(Refused::NotOffered(format!(
            "the answer has the content type {other:?}, which remote read has not"
        ))),
        (400 | 404 | 405 | 410 | 415 | 501, _) => Err(Refused::NotOffered(refusal(reply).message)),
        _ => Err(refusal(reply).into()),
    }
}

fn decode(
    form: Form,
    body: &[u8],
    queries: &[Query<'_>],
) -> Result<Vec<(Labels, SampleBuffer)>, Failed> {
    let malformed = |why: Malformed| Failed {
        message: why.to_string(),
        less: false,
    };
    if form == Form::Streamed {
        return remote::streamed(body, queries).map_err(malformed);
    }
    let bad = |why: snap::Error| Failed {
        message: format!("the answer cannot be unpacked: {why}"),
        less: false,
    };
    let length = snap::raw::decompress_len(body).map_err(bad)?;
    if length > LONGEST_ANSWER {
        return Err(Failed {
            message: format!("the answer has more than {LONGEST_ANSWER} bytes"),
            less: true,
        });
    }
    let unpacked = snap::raw::Decoder::new().decompress_vec(body);
    remote::samples(&unpacked.map_err(bad)?, queries).map_err(malformed)
}

//! Raw samples by the query API: an instant query of a range selector at the end of the range. Its
//! answer has no staleness markers.

use stentor_core::fixture::matrix;
use stentor_lang::model::Labels;
use stentor_lang::promql::store::SampleBuffer;

use super::client::{Failed, Reply};
use super::fetch::{Ask, Fetcher, Refused};
use super::plan::Window;

/// What a report says about this way.
pub(super) const NOTE: &str = "the query API has no staleness markers: a series that ended counts as there until its last \
     sample is older than the look-back";

/// The samples of one selector.
pub(super) fn ask(
    fetcher: &mut Fetcher,
    ask: &Ask<'_>,
) -> Result<Vec<(Labels, SampleBuffer)>, Refused> {
    let Window { after, to } = ask.window;
    let query = format!("{}[{}ms]", ask.need.text, to.saturating_sub(after).max(1));
    let time = crate::daemon::client::seconds(to);
    let key = format!("api\n{query}\n{time}");
    let (body, cached) = match fetcher.cache.get(&key, &mut fetcher.told) {
        Some(body) => (body, true),
        None => {
            fetcher.told.requests += 1;
            let form = [("query", &*query), ("time", &*time)];
            let reply = fetcher.client.form("query", &form)?;
            (accepted(reply)?, false)
        }
    };
    fetcher.told.bytes += body.len() as u64;
    let text = std::str::from_utf8(&body).map_err(|_| failed("the answer is not UTF-8"))?;
    let answer = matrix::read(text, after, to).map_err(|why| failed(&why))?;
    if let Some(why) = answer.partial {
        return Err(failed(&format!("the answer is not whole: {why}")).into());
    }
    if !cached {
        fetcher.cache.put(&key, to, &[&body], &mut fetcher.told);
    }
    Ok(answer.series)
}

fn failed(message: &str) -> Failed {
    Failed {
        message: message.to_owned(),
        less: false,
    }
}

/// The body of a good answer.
fn accepted(reply: Reply) -> Result<Vec<u8>, Failed> {
    if reply.status == 200 {
        return Ok(reply.body);
    }
    Err(refusal(&reply))
}

/// What an answer with a bad status says. Fewer samples may be answered where a limit was reached:
/// of samples (422), time or load (429, 5xx) or bytes (413).
pub(super) fn refusal(reply: &Reply) -> Failed {
    let said = stentor_core::engine::decode::decode_error(&reply.body);
    let said = said.map_or_else(
        || {
            let text = String::from_utf8_lossy(&reply.body);
            stentor_core::engine::decode::excerpt(text.trim())
        },
        |error| error.message,
    );
    Failed {
        message: format!("HTTP status {}: {said}", reply.status),
        less: matches!(reply.status, 413 | 422 | 429 | 500..),
    }
}

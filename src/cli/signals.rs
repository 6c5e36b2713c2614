//! How a command that goes on and on is told to end.

use tokio::signal::unix::{SignalKind, signal};

/// Ends with the first signal to stop.
pub(super) fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

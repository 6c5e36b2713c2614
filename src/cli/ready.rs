//! `stentor ready`: asks a running daemon whether it is ready, for images without a shell.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Exit;
use super::run::listen_address;

/// Less than what container runtimes wait for a health check.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The arguments of `stentor ready`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the daemon listens
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9095",
        value_parser = own_address
    )]
    address: SocketAddr,
}

/// Good where the daemon is ready, failed where it is not, environment where nobody answers.
pub(crate) fn run(args: &Args) -> Exit {
    match ask(args.address) {
        Ok(answer) if answer.split(' ').nth(1) == Some("200") => Exit::Good,
        Ok(answer) => {
            let line = answer.lines().last().unwrap_or_default();
            let _ = writeln!(
                std::io::stderr(),
                "stentor: not ready: {}",
                line.escape_debug()
            );
            Exit::Failed
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "stentor: {}: {error}", args.address);
            Exit::Environment
        }
    }
}

/// The address as `stentor run` takes it. What listens on every address is asked on loopback.
fn own_address(text: &str) -> Result<SocketAddr, String> {
    let mut address = listen_address(text)?;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    /// Longer than any answer of the probe.
    const LONGEST: u64 = 4096;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET /-/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[track_caller]
    fn check(answer: &'static str, expected: Exit) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).expect("read");
            stream.write_all(answer.as_bytes()).expect("written");
        });
        assert_eq!(run(&Args { address }), expected);
        server.join().expect("ended");
    }

    #[test]
    fn addresses_are_those_of_run() {
        for (text, address) in [
            ("localhost:9095", "127.0.0.1:9095"),
            (":9095", "127.0.0.1:9095"),
            ("[::]:9095", "[::1]:9095"),
            ("192.0.2.1:9095", "192.0.2.1:9095"),
        ] {
            let read = own_address(text).map(|address| address.to_string());
            assert_eq!(read.as_deref(), Ok(address), "{text}");
        }
        assert!(own_address("9095").is_err());
    }

    #[test]
    fn answers_become_exit_codes() {
        check("HTTP/1.1 200 OK\r\n\r\nReady\n", Exit::Good);
        check(
            "HTTP/1.1 503 Service Unavailable\r\n\r\nstuck\n",
            Exit::Failed,
        );
        check("", Exit::Failed);
        let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = closed.local_addr().expect("an address");
        drop(closed);
        assert_eq!(run(&Args { address }), Exit::Environment);
    }
}

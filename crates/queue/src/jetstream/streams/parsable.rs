//! What the NATS client library can receive.
//!
//! It takes a message apart in the task that holds the connection, before anybody else sees it. Headers that it does not
//! bear cut that connection, or end the task with a panic; and as the message is then not acknowledged, it comes again. So
//! whoever may publish could keep all who receive from their work. The server looks into neither headers nor subjects. Here
//! are the rules of the library (async-nats 0.51), applied to what was read in another way (`STREAM.MSG.GET`).

use std::str::FromStr as _;

use async_nats::{HeaderName, HeaderValue, StatusCode};

/// What stands in JSON for bytes that are no UTF-8.
const NO_UTF8: char = char::REPLACEMENT_CHARACTER;

/// Why the library could not receive a message with this subject and these bytes of headers, none if there are no bytes.
pub(crate) fn check(subject: &str, headers: &[u8]) -> Result<(), &'static str> {
    if subject.contains(NO_UTF8) {
        return Err("its subject is no UTF-8");
    }
    // What has no headers comes in a line that is split at spaces alone, which the server does not let into a subject.
    if headers.is_empty() {
        return Ok(());
    }
    if subject.contains(char::is_whitespace) {
        return Err("its subject has a blank");
    }
    let text = str::from_utf8(headers).map_err(|_error| "its headers are no UTF-8")?;
    let mut lines = text.lines().peekable();
    check_version(lines.next().unwrap_or_default())?;
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or("a header has no colon")?;
        HeaderName::from_str(name).map_err(|_error| "a header has a name that is none")?;
        let mut value = value.trim_start().to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.push_str(more);
        }
        HeaderValue::from_str(value.trim_end())
            .map_err(|_error| "a header has a lone line break")?;
    }
    Ok(())
}

/// The first line is `NATS/1.0`, with a status and its description if need be.
fn check_version(line: &str) -> Result<(), &'static str> {
    let rest = line.strip_prefix("NATS/1.0");
    let rest = rest.ok_or("its headers do not begin with NATS/1.0")?.trim();
    let status = rest
        .split_once(' ')
        .map_or(rest, |(status, _)| status.trim());
    if status.is_empty() || status.parse::<StatusCode>().is_ok() {
        Ok(())
    } else {
        Err("its headers begin with a status that is none")
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use async_nats::ConnectOptions;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const INFO: &str = r#"{"server_id":"s","server_name":"s","host":"h","port":1,"version":"2.9.10","max_payload":1048576,"headers":true,"proto":1}"#;

    /// Plays a server that sends one message, and says whether the client went on.
    async fn send(listener: &TcpListener, subject: &[u8], headers: &[u8]) -> io::Result<bool> {
        let mut stream = BufReader::new(listener.accept().await?.0);
        stream
            .write_all(format!("INFO {INFO}\r\n").as_bytes())
            .await?;
        let sid = sid_of_the_subscription(&mut stream).await?;
        let length = headers.len();
        let (operation, lengths) = if headers.is_empty() {
            ("MSG", "0".to_owned())
        } else {
            ("HMSG", format!("{length} {length}"))
        };
        let mut message = format!("{operation} ").into_bytes();
        message.extend_from_slice(subject);
        message.extend_from_slice(format!(" {sid} {lengths}\r\n").as_bytes());
        message.extend_from_slice(headers);
        message.extend_from_slice(b"\r\nPING\r\n");
        stream.write_all(&message).await?;
        tokio::select! {
            has_answered = answers(&mut stream) => Ok(has_answered),
            // A client that gives a connection up makes another one first.
            _another = listener.accept() => Ok(false),
        }
    }

    async fn answers(stream: &mut BufReader<TcpStream>) -> bool {
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
            if line.starts_with("PONG") {
                return true;
            }
            line.clear();
        }
        false
    }

    async fn sid_of_the_subscription(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.starts_with("PING") {
                stream.write_all(b"PONG\r\n").await?;
            } else if line.starts_with("SUB ") {
                return Ok(line.split_whitespace().last().unwrap().to_owned());
            }
        }
    }

    /// Whether the library receives such a message.
    async fn is_received(subject: &[u8], headers: &[u8]) -> bool {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let client = async {
            let options = ConnectOptions::new().max_reconnects(1);
            let client = options.connect(address).await.unwrap();
            let _subscriber = client.subscribe("s").await.unwrap();
            client.flush().await.ok();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            sent = send(&listener, subject, headers) => sent.unwrap(),
            () = client => false,
        }
    }

    async fn assert_as_the_library(subject: &[u8], headers: &[u8]) -> bool {
        let found = check(&String::from_utf8_lossy(subject), headers);
        let received = is_received(subject, headers).await;
        let shown = (subject.escape_ascii(), headers.escape_ascii());
        assert_eq!(
            found.is_ok(),
            received,
            "{} {}: {found:?}",
            shown.0,
            shown.1
        );
        received
    }

    #[tokio::test]
    async fn headers_are_judged_as_by_the_library_that_parses_them() {
        let good: [&[u8]; 11] = [
            b"",
            b"NATS/1.0\r\n\r\n",
            b"NATS/1.0",
            b"NATS/1.0\nA:b\n\n",
            b"NATS/1.0\r\nA: b\r\nA:c\r\n  d\r\n\r\n",
            b"NATS/1.0\r\n:no name\r\n\r\n",
            b"NATS/1.0 404 No Messages\r\n\r\n",
            b"NATS/1.0\r\nA: b\r",
            b"NATS/1.0\r\nA: b\r\r\n\r\n",
            b"NATS/1.0\r\nA: \xc3\xa9\r\n\r\n",
            b"NATS/1.0999\r\n\r\n",
        ];
        for headers in good {
            assert!(
                assert_as_the_library(b"a.b", headers).await,
                "{}",
                headers.escape_ascii()
            );
        }
        let bad: [&[u8]; 13] = [
            b"NATS/1.0\r\nA: b\rc\r\n\r\n",
            b"NATS/1.0\r\nA: b\r\n \rc\r\n\r\n",
            b"NATS/1.0\r\nA: \xff\r\n\r\n",
            b"NATS/1.0\r\nA b: c\r\n\r\n",
            b"NATS/1.0\r\nA\x00: c\r\n\r\n",
            b"NATS/1.0\r\n\xc3\xa9: c\r\n\r\n",
            b"NATS/1.0\r\nno colon\r\n\r\n",
            b"NATS/1.0\r\n \r\n\r\n",
            b"NATS/2.0\r\n\r\n",
            b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"NATS/1.0 99\r\n\r\n",
            b"NATS/1.0 two hundred\r\n\r\n",
        ];
        for headers in bad {
            assert!(
                !assert_as_the_library(b"a.b", headers).await,
                "{}",
                headers.escape_ascii()
            );
        }
    }

    #[tokio::test]
    async fn subjects_are_judged_as_by_the_library_that_parses_them() {
        let headers = b"NATS/1.0\r\n\r\n";
        for subject in [&b"a.\xc3\xa9"[..], b"a.\x01", b"a.\x7f"] {
            assert!(assert_as_the_library(subject, headers).await);
            assert!(assert_as_the_library(subject, b"").await);
        }
        for blank in [&b"a.\x0bb"[..], b"a.\xc2\xa0b", b"a.\xe2\x80\xa8b"] {
            assert!(!assert_as_the_library(blank, headers).await);
            assert!(assert_as_the_library(blank, b"").await);
        }
        assert!(!assert_as_the_library(b"a.\xff", headers).await);
        assert!(!assert_as_the_library(b"a.\xff", b"").await);
    }

    #[tokio::test]
    async fn headers_of_any_bytes_are_judged_as_by_the_library() {
        let mut seed = 20_261_127_u64;
        let mut below = |limit: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % 1_000).unwrap() % limit
        };
        let pieces: [&[u8]; 16] = [
            b"\r\n",
            b"\r",
            b"\n",
            b":",
            b" ",
            b"NATS/1.0",
            b"A",
            b"b: c",
            b"\t",
            b"\xff",
            b"404",
            b"\xc2\xa0",
            b"\x00",
            b"\x0b",
            b"\r\n\r\n",
            b"Nats-Msg-Id: x",
        ];
        for _ in 0..400 {
            let mut headers = b"NATS/1.0".to_vec();
            for _ in 0..below(8) {
                headers.extend_from_slice(pieces[below(pieces.len())]);
            }
            assert_as_the_library(b"a.b", &headers).await;
        }
    }
}

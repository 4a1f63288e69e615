//! An HTTP API that polls ask.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::processor::{Message, read_message};

/// One on a free port that remembers what it was asked.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

/// What it does with a request: the bytes of its answer (none closes the connection), written to the connection. It may
/// block.
type Behaviour = dyn Fn(&Asked) -> Vec<u8> + Send + Sync;

impl Api {
    /// Answers with what `behaviour` returns; nothing closes the connection.
    pub fn start(behaviour: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::serving(TcpListener::bind("127.0.0.1:0").unwrap(), behaviour, |_| {})
    }

    /// The same; after an answer `and_then` may go on writing.
    pub fn dripping(
        behaviour: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
        and_then: impl Fn(&mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        Self::serving(TcpListener::bind("127.0.0.1:0").unwrap(), behaviour, and_then)
    }

    fn serving(
        listener: TcpListener,
        behaviour: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
        and_then: impl Fn(&mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let api = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let (serving, behaviour, and_then) = (api.clone(), Arc::new(behaviour), Arc::new(and_then));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serving, behaviour, and_then) = (serving.clone(), Arc::clone(&behaviour), Arc::clone(&and_then));
                thread::spawn(move || serving.serve(stream, &*behaviour, &*and_then));
            }
        });
        api
    }

    fn serve(&self, stream: TcpStream, behaviour: &Behaviour, and_then: &dyn Fn(&mut TcpStream)) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        while let Some(asked) = read(&mut reader) {
            self.asked.lock().unwrap().push(asked.clone());
            let answer = behaviour(&asked);
            if answer.is_empty() || writer.write_all(&answer).is_err() {
                return;
            }
            and_then(&mut writer);
        }
    }

    /// All that it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Whether it was asked for this path and query.
    pub fn was_asked(&self, target: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|asked| asked.target == target)
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The number of a parameter, 0 where it is not there.
    pub fn number(&self, name: &str) -> usize {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let value = query.split('&').find_map(|parameter| parameter.strip_prefix(&format!("{name}=")));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

/// A page with this body, and more headers (each with its line break).
pub fn page(headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// `{"data":[…]}` with a record for each number.
pub fn records(numbers: impl Iterator<Item = usize>) -> String {
    let records: Vec<_> = numbers.map(|n| format!(r#"{{"id":"r{n}","n":{n},"kind":"order.made"}}"#)).collect();
    format!(r#"{{"data":[{}]}}"#, records.join(","))
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let Message { first_line, headers, body } = read_message(reader)?;
    let mut words = first_line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Asked { method, target, headers, body: String::from_utf8(body).unwrap() })
}

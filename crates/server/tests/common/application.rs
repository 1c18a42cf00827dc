//! An application as the server asks it: a handler behind a port of its own.

#![allow(dead_code, reason = "each test file uses its part of this")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What it was asked.
#[derive(Debug, Clone)]
pub struct Question {
    pub path: String,
    pub headers: HeaderMap,
}

pub struct Application {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Question>>>,
    answer: Arc<Mutex<(u16, String)>>,
}

impl Application {
    pub async fn start(status: u16, body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new((status, body)));
        let (questions, answers) = (asked.clone(), answer.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (questions, answers) = (questions.clone(), answers.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    questions.lock().unwrap().push(Question {
                        path: request.uri().path().to_owned(),
                        headers: request.headers().clone(),
                    });
                    let (status, body) = answers.lock().unwrap().clone();
                    let response =
                        Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap();
                    async move { Ok::<_, Infallible>(response) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(socket), service));
            }
        });
        Self { address, asked, answer }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it answers from now on.
    pub fn answer(&self, status: u16, body: String) {
        *self.answer.lock().unwrap() = (status, body);
    }

    pub fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }
}

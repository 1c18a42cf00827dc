//! A server inside another program: memory store, no authentication, the port given as the only argument.

use std::time::Duration;

use durable_sessions_server::{AuthConfig, Server, ServerConfig, StoreConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listen = ([127, 0, 0, 1], port).into();
    let mut config = ServerConfig::new(listen, StoreConfig::Memory, AuthConfig::DevNoAuth);
    config.long_poll_timeout = Duration::from_millis(500);
    let server = Server::bind(config).await?;
    #[expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]
    {
        println!("listening on http://{}", server.local_addr());
    }
    server.run(std::future::pending()).await?;
    Ok(())
}

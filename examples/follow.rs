//! Keeps a table of the cluster's members current and prints it whenever it changes:
//! `cargo run --example follow -- /run/headcount.sock`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example prints"
)]

use headcount::client::{Client, Error, Filter};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let socket = std::env::args().nth(1);
    let client = Client::new(socket.unwrap_or_else(|| "/run/headcount.sock".into()));
    let mut view = client.watch(&Filter::default()).into_view();
    loop {
        let members = view.changed().await?;
        match view.trouble() {
            Some(trouble) => eprintln!("{trouble}; trying again"),
            None => {
                let states = members
                    .iter()
                    .map(|member| format!("{}={}", member.name, member.state));
                println!("{}", states.collect::<Vec<_>>().join(" "));
            }
        }
    }
}

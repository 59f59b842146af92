//! Who may use the local API of a real agent, and what for.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

use crate::support::{Agent, Lab, Response, exchange, finish, have, skipped};

const TOKEN: &str = "correct-horse-battery-staple";

/// The status that a user of this host gets for a request at the agent's socket; 0 if it cannot
/// even connect.
fn status_of(user: u32, agent: &Agent, method: &str, path: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method]);
    curl.arg("--unix-socket").arg(agent.socket());
    if method != "GET" {
        curl.args(["--data", "{}"]);
    }
    curl.arg(format!("http://headcount{path}"));
    curl.uid(user).gid(user);
    finish(&mut curl).stdout
}

#[test]
fn who_is_listed_may_look_or_do_everything_and_nobody_else_may() {
    if !rustix::process::geteuid().is_root() {
        return skipped("only root can be somebody else");
    }
    if !have("curl", "other users' rights are not tested") {
        return;
    }
    let lab = Lab::new();
    fs::set_permissions(lab.dir(), fs::Permissions::from_mode(0o755)).expect("our own folder");
    let lists = ["--allow", "60001", "--allow-read", "60002", "@60003"];
    let open = ["--socket-mode", "0666", "--socket-group", "60004"];
    let agent = lab.agent("n1").args(lists).args(open).start();
    let answers = |user| {
        let look = status_of(user, &agent, "GET", "/v1/members");
        let change = status_of(user, &agent, "PATCH", "/v1/tags");
        [look, change]
    };
    assert_eq!(answers(0), ["200", "200"]);
    assert_eq!(answers(60_001), ["200", "200"]);
    assert_eq!(answers(60_002), ["200", "403"]);
    assert_eq!(answers(60_003), ["200", "403"]);
    assert_eq!(
        answers(60_004),
        ["403", "403"],
        "the socket's group is on no list"
    );
    assert_eq!(answers(60_005), ["403", "403"]);
    // Without lists the group counts, and the mode keeps out everybody else.
    let agent = lab.agent("n2").args(["--socket-group", "60004"]).start();
    assert_eq!(status_of(60_004, &agent, "PATCH", "/v1/tags"), "200");
    assert_eq!(status_of(60_005, &agent, "GET", "/v1/members"), "000");
}

fn ask(http: SocketAddr, method: &str, headers: &str) -> Response {
    let stream = TcpStream::connect(http).expect("it listens");
    let request = format!("{method} /v1/members HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    exchange(stream, request.as_bytes())
}

#[test]
fn off_loopback_the_api_wants_a_token() {
    let lab = Lab::new();
    let refused = lab.agent("n1").args(["--http", "0.0.0.0:0"]).finish();
    refused.refused(
        2,
        &[
            "http",
            "0.0.0.0:0",
            "without a token",
            "hint:",
            "--http-token-file",
        ],
    );
    let file = lab.dir().join("token");
    fs::write(&file, TOKEN).expect("our own folder");
    let file = file.display().to_string();
    let with_token = || {
        let bind = ["--http", "0.0.0.0:0", "--http-token-file", &file];
        lab.agent("n1").args(bind)
    };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("our own file");
    with_token()
        .finish()
        .refused(2, &["http-token-file", "0644", "chmod 600"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("our own file");
    let agent = with_token().start();
    let http = agent.status()["http"]
        .as_str()
        .expect("an address")
        .to_owned();
    let http: SocketAddr = http.parse().expect("an address");
    let http = SocketAddr::from(([127, 0, 0, 1], http.port()));
    let nobody = ask(http, "GET", "Host: localhost\r\n");
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
    let shown = format!("Host: n1.example\r\nAuthorization: Bearer {TOKEN}\r\n");
    assert_eq!(ask(http, "GET", &shown).status, 200);
    let page = format!("{shown}Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(ask(http, "GET", &page).status, 403);
    assert!(!agent.log().contains(TOKEN), "{}", agent.log());
    // The socket needs none.
    assert_eq!(agent.status()["name"], "n1");
}

//! The programs that files of members are for: HAProxy, nginx and Prometheus, as Debian has them.
//! A node is killed, and the program itself shows that it is gone.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;

use crate::{
    outputs::configured,
    support::{Agent, Lab, Response, Running, exchange, skipped, until},
};

/// Set by `.ci/run`, which installs the programs: a test that is skipped there has failed.
const REQUIRED: &str = "HEADCOUNT_REQUIRE_READERS";

/// Whether the program is there; says so when not.
fn is_installed(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_required = std::env::vars_os().any(|(name, _)| name == REQUIRED);
    assert!(
        asked.is_ok() || !is_required,
        "{REQUIRED} is set, but there is no {program}"
    );
    if asked.is_err() {
        skipped(format_args!("needs {program} (apt-get install {program})"));
    }
    asked.is_ok()
}

fn start(program: &mut Command) -> Running {
    Running::start(program.stdout(Stdio::null()).stderr(Stdio::null()))
}

fn get(address: SocketAddr, headers: &str, path: &str) -> Option<Response> {
    let stream = TcpStream::connect(address).ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    Some(exchange(stream, request.as_bytes()))
}

/// A test's folder, and the address of the program that reads what is kept there.
struct Stage {
    dir: PathBuf,
    front: SocketAddr,
    lab: Lab,
}

impl Stage {
    fn new() -> Self {
        let lab = Lab::new();
        let dir = lab.dir().to_path_buf();
        let front = lab.reserve();
        Self { dir, front, lab }
    }

    /// Writes a file with the paths and the address put in.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let text = text.replace("$D", &self.dir.display().to_string());
        let text = text.replace("$FRONT", &self.front.to_string());
        let path = self.dir.join(name);
        fs::write(&path, text).expect("our own folder");
        path
    }

    /// `n1`, which keeps `$D/members` as the rest of the section says, with `n2` and `n3`.
    fn cluster(&self, section: &str) -> [Agent; 3] {
        let begin = "[[file]]\npath = \"$D/members.json\"\n";
        let section = format!("{begin}settle = \"0s\"\nmin-interval = \"0s\"\n{section}");
        let n1 = configured(&self.lab, &section).start();
        let joining = |name| self.lab.agent(name).join(n1.address());
        let n2 = joining("n2").args(["--tag", "my-zone=a \"b\""]).start();
        let n3 = joining("n3").start();
        [n1, n2, n3]
    }
}

/// What HAProxy says to an operator at its socket.
fn told_by_haproxy(stage: &Stage, command: &str) -> Option<String> {
    let mut stats = UnixStream::connect(stage.dir.join("haproxy.sock")).ok()?;
    writeln!(stats, "{command}").ok()?;
    let mut text = String::new();
    stats.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Its master process loses a SIGUSR2 that comes while it reloads, but no word at its socket.
const RELOAD_HAPROXY: &str = "
import socket
master = socket.socket(socket.AF_UNIX)
master.connect('$D/master.sock')
master.sendall(b'reload\\n')
master.recv(1)";

#[test]
fn haproxy_forgets_a_killed_node() {
    if !is_installed("haproxy") {
        return;
    }
    let stage = Stage::new();
    stage.write("members.json", "");
    let config = "global\n stats socket $D/haproxy.sock level admin expose-fd listeners\n\
        defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n\
        frontend members\n bind $FRONT\n http-request return status 200 content-type text/plain \
        lf-string \"%[req.hdr(x-member),map($D/members.json,nobody)]\"\n";
    let config = stage.write("haproxy.cfg", config);
    let mut haproxy = Command::new("haproxy");
    haproxy
        .args(["-W", "-db", "-S"])
        .arg(stage.dir.join("master.sock"));
    let _running = start(haproxy.arg("-f").arg(config));
    let show = format!("show map {}", stage.dir.join("members.json").display());
    let shown = || told_by_haproxy(&stage, &show);
    until("HAProxy answers", shown);
    let [n1, _n2, n3] = stage.cluster(&format!(
        "template = \"haproxy-map\"\nreload = [\"python3\", \"-c\", '''{RELOAD_HAPROXY}''']\n"
    ));
    let [first, third] = [&n1, &n3].map(|agent| format!(" {}", agent.address()));
    until("HAProxy knows n3", || {
        shown()?.contains(&third).then_some(())
    });
    let routed = || get(stage.front, "X-Member: n3\r\n", "/");
    until("HAProxy routes to n3", || {
        (routed()?.text() == third.trim_start()).then_some(())
    });
    drop(n3);
    until("HAProxy has forgotten n3", || {
        let shown = shown()?;
        (shown.contains(&first) && !shown.contains(&third)).then_some(())
    });
    until("HAProxy routes to n3 no more", || {
        (routed()?.text() == "nobody").then_some(())
    });
}

/// Answers every request at `address` with `name`, for as long as the tests run.
fn application(address: SocketAddr, name: &'static str) {
    let listener = TcpListener::bind(address).expect("a free port");
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}",
        name.len()
    );
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Whoever hangs up needs no answer.
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
}

#[test]
fn nginx_asks_a_killed_node_no_more() {
    if !is_installed("nginx") {
        return;
    }
    let stage = Stage::new();
    stage.write(
        "members.json",
        "upstream headcount { server 127.0.0.1:9 down; }\n",
    );
    let config = "pid $D/nginx.pid;\nerror_log $D/nginx.log;\ndaemon off;\nevents {}\nhttp {\n\
        access_log off;\nclient_body_temp_path $D/a;\nproxy_temp_path $D/b;\n\
        fastcgi_temp_path $D/c;\nuwsgi_temp_path $D/d;\nscgi_temp_path $D/e;\n\
        include $D/members.json;\n\
        server { listen $FRONT;\nlocation / { proxy_pass http://headcount; } } }\n";
    let config = stage.write("nginx.conf", config);
    let running = start(Command::new("nginx").arg("-c").arg(config));
    until("nginx answers", || get(stage.front, "", "/"));
    let port = stage.lab.reserve().port();
    let reload = format!("kill -HUP {}", running.child.id());
    let [n1, n2, n3] = stage.cluster(&format!(
        "template = \"nginx\"\nport = {port}\nreload = \"{reload}\"\n"
    ));
    for (agent, name) in [(&n1, "n1"), (&n2, "n2"), (&n3, "n3")] {
        application(SocketAddr::new(agent.address().ip(), port), name);
    }
    // In turn: a few requests reach everybody there is.
    let asked = || {
        let answers = (0..9).filter_map(|_| get(stage.front, "", "/"));
        let mut names: Vec<_> = answers.map(|answer| answer.text()).collect();
        names.sort();
        names.dedup();
        names
    };
    until("nginx asks all three", || {
        (asked() == ["n1", "n2", "n3"]).then_some(())
    });
    drop(n3);
    until("nginx asks n3 no more", || {
        (asked() == ["n1", "n2"]).then_some(())
    });
}

/// What Prometheus would scrape.
fn targets(prometheus: SocketAddr) -> Option<Vec<Value>> {
    let answer = get(prometheus, "", "/api/v1/targets?state=active");
    let answer = answer.filter(|answer| answer.status == 200)?;
    Some(answer.json()["data"]["activeTargets"].as_array()?.clone())
}

#[test]
fn prometheus_drops_a_killed_node() {
    if !is_installed("prometheus") {
        return;
    }
    let stage = Stage::new();
    let config = "scrape_configs:\n- job_name: headcount\n  file_sd_configs:\n  \
        - files: [\"$D/members.json\"]\n  relabel_configs:\n  \
        - source_labels: [__meta_headcount_name]\n    target_label: member\n";
    let config = stage.write("prometheus.yml", config);
    let [_n1, _n2, n3] = stage.cluster("template = \"prometheus\"\nport = 9100\n");
    let mut prometheus = Command::new("prometheus");
    prometheus.arg(format!("--config.file={}", config.display()));
    prometheus.arg(format!(
        "--storage.tsdb.path={}",
        stage.dir.join("data").display()
    ));
    let _running = start(prometheus.arg(format!("--web.listen-address={}", stage.front)));
    let names = || {
        let names = targets(stage.front)?.into_iter();
        let mut names: Vec<_> = names
            .map(|target| target["labels"]["member"].clone())
            .collect();
        names.sort_by_key(Value::to_string);
        Some(names)
    };
    until("Prometheus knows all three", || {
        (names()? == ["n1", "n2", "n3"]).then_some(())
    });
    let tagged = targets(stage.front).expect("it answers").into_iter();
    let mut tagged = tagged
        .filter(|target| target["discoveredLabels"]["__meta_headcount_tag_my_zone"] == "a \"b\"");
    assert!(tagged.all(|target| target["labels"]["member"] == "n2"));
    drop(n3);
    until("Prometheus dropped n3", || {
        (names()? == ["n1", "n2"]).then_some(())
    });
}

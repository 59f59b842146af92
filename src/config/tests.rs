use std::{fs::Permissions, io::Write as _, os::unix::fs::PermissionsExt, path::Path};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

fn around(variables: &[(&str, &str)]) -> Surroundings {
    let variables = variables.iter();
    Surroundings {
        variables: variables
            .map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned())))
            .collect(),
        host_name: Some("box".into()),
        root: true,
        process: 77,
    }
}

fn flags(given: &[(&'static str, &str)]) -> Flags {
    let mut flags = Flags::default();
    for (key, value) in given {
        flags.set(key, value.split(' ').map(Into::into));
    }
    flags
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

/// The error and the hint of a start with these flags.
fn refused(given: &[(&'static str, &str)]) -> (String, String) {
    let error = load(flags(given), &around(&[])).unwrap_err();
    (error.to_string(), error.hint())
}

#[test]
fn what_holds_is_shown_with_where_it_came_from() {
    let file = file("cluster = \"blue\"\njoin = [\"10.0.0.1\", \"seed.example\"]\n");
    let around = around(&[("HEADCOUNT_PROFILE", "wan")]);
    let given = flags(&[("config", path(&file)), ("name", "n1")]);
    let (launch, settings) = effective(given.clone(), &around).unwrap();
    assert_eq!(launch, load(given, &around).unwrap());
    let names: Vec<_> = settings.iter().map(|setting| setting.key).collect();
    assert_eq!(names, keys::names());
    let line = |line| format!("{}:{line}", path(&file));
    for (key, value, origin) in [
        ("name", "n1", "flag --name"),
        ("profile", "wan", "variable HEADCOUNT_PROFILE"),
        ("cluster", "blue", &line(1)),
        ("join", "10.0.0.1, seed.example", &line(2)),
        ("bind", "127.0.0.1:7946", "default"),
        ("socket-mode", "0660", "default"),
        ("http", "", "default"),
    ] {
        let setting = settings.iter().find(|setting| setting.key == key);
        let setting = setting.expect("every key is there");
        assert_eq!(
            (&*setting.value, &*setting.origin),
            (value, origin),
            "{key}"
        );
    }
    effective(flags(&[("bind", "nowhere")]), &around).unwrap_err();
}

#[test]
fn nothing_given_is_enough() {
    let launch = load(Flags::default(), &around(&[])).unwrap();
    let expected = Config {
        name: "box".into(),
        bind: "127.0.0.1:7946".parse().unwrap(),
        advertise: None,
        join: vec![],
        cluster: "default".into(),
        profile: Profile::Lan,
        socket: "/run/headcount.sock".into(),
        http: None,
        access: Access::default(),
        data_dir: "/var/lib/headcount/box".into(),
        tags: Tags::default(),
        keys: Keys::default(),
        key_file: None,
        max_members: 16_384,
        insecure: false,
        forget_after: None,
        restart_eta: None,
        supervisor: None,
        outputs: Outputs::default(),
    };
    assert_eq!(launch.config, expected);
    assert_eq!(launch.warnings, Vec::<String>::new());
    assert_eq!(launch.logging.level, tracing::Level::INFO);
}

#[test]
fn an_ordinary_user_gets_the_xdg_directories() {
    let mut user = around(&[
        ("XDG_RUNTIME_DIR", "/run/user/7"),
        ("XDG_STATE_HOME", "/state"),
    ]);
    user.root = false;
    let config = load(Flags::default(), &user).unwrap().config;
    assert_eq!(config.socket, Path::new("/run/user/7/headcount.sock"));
    assert_eq!(config.data_dir, Path::new("/state/headcount/box"));

    let mut bare = around(&[("HOME", "/home/u"), ("XDG_STATE_HOME", "relative")]);
    bare.root = false;
    let config = load(Flags::default(), &bare).unwrap().config;
    let state = Path::new("/home/u/.local/state/headcount");
    assert_eq!(config.socket, state.join("headcount.sock"));
    assert_eq!(config.data_dir, state.join("box"));

    let mut homeless = around(&[]);
    homeless.root = false;
    let error = load(Flags::default(), &homeless).unwrap_err();
    assert_eq!(error.hint(), "say --socket, or set HEADCOUNT_SOCKET");
}

#[test]
fn flags_beat_variables_beat_the_file() {
    let file = file("name = \"from-file\"\ncluster = \"from-file\"\nprofile = \"wan\"\n");
    let around = around(&[
        ("HEADCOUNT_CONFIG", path(&file)),
        ("HEADCOUNT_NAME", "from-variable"),
        ("HEADCOUNT_CLUSTER", "from-variable"),
    ]);
    let config = load(flags(&[("name", "from-flag")]), &around)
        .unwrap()
        .config;
    assert_eq!(config.name, "from-flag");
    assert_eq!(config.cluster, "from-variable");
    assert_eq!(config.profile, Profile::Wan);
}

fn typed(config: &Config) -> Vec<String> {
    config.join.iter().map(ToString::to_string).collect()
}

#[test]
fn a_list_comes_whole_from_its_strongest_source() {
    let file = file("join = [\"a\", \"b:1\"]\n[tag]\nrole = \"web\"\nzone = \"x=y\"\n");
    let given = flags(&[("config", path(&file))]);
    let config = load(given.clone(), &around(&[])).unwrap().config;
    assert_eq!(typed(&config), ["a:7946", "b:1"]);
    assert_eq!(config.tags.value("zone"), Some("x=y"));

    let around = around(&[("HEADCOUNT_JOIN", "c, [::1]:9,"), ("HEADCOUNT_TAG", "k=v")]);
    let config = load(given, &around).unwrap().config;
    assert_eq!(typed(&config), ["c:7946", "[::1]:9"]);
    assert_eq!(config.tags.iter().count(), 1);
}

#[test]
fn every_way_to_write_an_address() {
    let bind = |text| {
        let given = flags(&[("bind", text), ("insecure", "true")]);
        let launch = load(given, &around(&[])).unwrap();
        launch.config.bind.to_string()
    };
    assert_eq!(bind("10.1.2.3:99"), "10.1.2.3:99");
    assert_eq!(bind("10.1.2.3"), "10.1.2.3:7946");
    assert_eq!(bind(":0"), "127.0.0.1:0");
    assert_eq!(bind("::1"), "[::1]:7946");
    assert_eq!(bind("[::1]"), "[::1]:7946");
    assert_eq!(bind("[::]:5"), "[::]:5");

    let given = flags(&[("bind", ":9"), ("advertise", "127.0.0.7"), ("http", ":80")]);
    let config = load(given, &around(&[])).unwrap().config;
    let advertised = Advertise::Address("127.0.0.7:9".parse().unwrap());
    assert_eq!(config.advertise, Some(advertised));
    assert_eq!(config.http, "127.0.0.1:80".parse().ok());
}

#[test]
fn errors_name_key_value_source_range_and_hint() {
    assert_eq!(
        refused(&[("bind", "localhost")]),
        (
            "bind \"localhost\" (flag --bind) is not an IP address; \
             allowed: IP:PORT, IP or :PORT"
                .into(),
            "write an IP of this host, for example 127.0.0.1:7946; only join takes names".into()
        )
    );
    let file = file("\n# about\nlog-level = \"loud\"\n");
    let (error, _) = refused(&[("config", path(&file))]);
    let expected = format!(
        "log-level \"loud\" ({}:3) is not a log level; allowed: error, warn, info, debug or trace",
        path(&file)
    );
    assert_eq!(error, expected);
    let error = load(Flags::default(), &around(&[("HEADCOUNT_PROFILE", "LAN")])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "profile \"LAN\" (variable HEADCOUNT_PROFILE) is not a profile; \
         allowed: lan, wan or local"
    );
}

#[test]
fn what_cannot_be_used_is_refused() {
    let long_path = format!("/{}", "x".repeat(107));
    let long_tag = format!("k={}", "x".repeat(16_500));
    let cases = [
        ("advertise", ":7946", "has no IP"),
        ("advertise", "0.0.0.0", "is nowhere to reach us at"),
        ("advertise", "::1", "is of another IP version"),
        ("bind", ":65536", "has no port from 0 to 65535"),
        ("bind", "10.0.0.1", "is not a loopback address"),
        ("cluster", "a\tb", "is not a cluster name"),
        ("data-dir", "", "is not a path"),
        ("http", "127.0.0.1", "has no port"),
        ("insecure", "maybe", "is neither true nor false"),
        ("join", "seed:0", "has no port from 1 to 65535"),
        ("join", "se/ed", "is neither a host name nor an IP"),
        ("join", "http://seed:1", "is neither a host name nor an IP"),
        ("log-format", "xml", "is not a log format"),
        ("log-level", "3", "is not a log level"),
        ("name", "", "is not a member name"),
        ("socket", long_path.as_str(), "is 108 bytes long"),
        ("tag", "novalue", "has no `=`"),
        ("tag", "a:b=c", "cannot be used"),
        ("tag", long_tag.as_str(), "tags take 16503 bytes"),
    ];
    for (key, value, expected) in cases {
        let (error, hint) = refused(&[(key, value)]);
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&format!("flag --{key}")), "{error}");
        assert!(!hint.is_empty(), "{error}");
    }
}

#[test]
fn a_bad_file_is_refused_with_its_line() {
    let refused_file = |text: &str| {
        let file = file(text);
        let (error, hint) = refused(&[("config", path(&file))]);
        (error.replace(path(&file), "FILE"), hint)
    };
    let (error, hint) = refused_file("name = \"a\"\nbinde = \"1\"\n");
    assert_eq!(error, "unknown key \"binde\" (FILE:2)");
    assert!(hint.starts_with("did you mean `bind`?"), "{hint}");

    let (error, _) = refused_file("name = \"a\"\nbind = \n");
    assert!(error.starts_with("FILE:2: "), "{error}");

    let (error, hint) = refused_file("tag = [1]\n");
    assert!(error.starts_with("tag \"[1]\" (FILE:1) has the wrong type"));
    assert_eq!(hint, "write tag = { role = \"web\" }");

    let (error, _) = refused(&[("config", "/nowhere")]);
    assert!(error.starts_with("config \"/nowhere\" (flag --config): No such file"));
}

#[test]
fn what_is_odd_but_possible_is_warned_of() {
    let around = around(&[
        ("HEADCOUNT_NAMES", "n"),
        ("HEADCOUNT_BIND", ":1"),
        ("HEADCOUNT_JOIN", "10.0.0.9,127.0.0.2"),
    ]);
    let given = flags(&[("advertise", "10.0.0.1")]);
    let warnings = load(given, &around).unwrap().warnings;
    assert_eq!(
        warnings[0],
        "ignored unknown variable HEADCOUNT_NAMES; did you mean HEADCOUNT_NAME?"
    );
    assert!(warnings[1].contains("reached from this host only"));
    assert!(warnings[2].contains("join names 10.0.0.9"), "{warnings:?}");
    assert_eq!(warnings.len(), 3);
}

#[test]
fn a_name_never_leads_out_of_the_data_directory() {
    let dir = |name| {
        let given = flags(&[("name", name)]);
        let launch = load(given, &around(&[])).unwrap();
        let dir = launch.config.data_dir;
        dir.strip_prefix("/var/lib/headcount").unwrap().to_owned()
    };
    assert_eq!(dir("../x"), Path::new("..%2Fx"));
    assert_eq!(dir(".."), Path::new("%2E%2E"));
    assert_eq!(dir("n.1"), Path::new("n.1"));
}

#[test]
fn clients_find_the_socket_the_agent_made() {
    let around = around(&[("HEADCOUNT_SOCKET", "/tmp/a.sock")]);
    let agent = load(Flags::default(), &around).unwrap().config.socket;
    assert_eq!(socket(None, &around).unwrap(), agent);
    let given = socket(Some("/tmp/b.sock".into()), &around).unwrap();
    assert_eq!(given, Path::new("/tmp/b.sock"));
}

#[test]
fn a_service_manager_is_heard_of_by_its_variables() {
    let found = |variables: &[(&str, &str)]| {
        let launch = load(Flags::default(), &around(variables)).unwrap();
        let supervisor = launch.config.supervisor?;
        let watchdog = supervisor.watchdog.map(|time| time.as_millis());
        Some((supervisor.socket.display().to_string(), watchdog))
    };
    let notify = ("NOTIFY_SOCKET", "/run/systemd/notify");
    let watchdog = ("WATCHDOG_USEC", "30000000");
    let plain = |watchdog| Some(("/run/systemd/notify".to_owned(), watchdog));
    assert_eq!(found(&[watchdog]), None);
    assert_eq!(found(&[notify]), plain(None));
    assert_eq!(found(&[notify, watchdog]), plain(Some(30_000)));
    assert_eq!(
        found(&[notify, watchdog, ("WATCHDOG_PID", "77")]),
        plain(Some(30_000))
    );
    assert_eq!(
        found(&[notify, watchdog, ("WATCHDOG_PID", "78")]),
        plain(None)
    );
    assert_eq!(found(&[notify, ("WATCHDOG_USEC", "0")]), plain(None));
    let abstract_name = found(&[("NOTIFY_SOCKET", "@headcount")]);
    assert_eq!(abstract_name, Some(("@headcount".to_owned(), None)));
    assert_eq!(found(&[("NOTIFY_SOCKET", "vsock:2:1")]), None);
}

#[test]
fn the_unit_says_all_that_a_user_without_a_home_cannot_know() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/headcount.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let unit = unit.replace("%S", "/var/lib").replace("%t", "/run");
    let said = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    let said: Vec<_> = said.filter_map(|pair| pair.split_once('=')).collect();
    let around = Surroundings {
        root: false,
        ..around(&said)
    };
    let launch = load(Flags::default(), &around).unwrap();
    // Where the socket unit listens.
    assert_eq!(launch.config.socket, Path::new("/run/headcount.sock"));
    assert_eq!(launch.config.data_dir, Path::new("/var/lib/headcount"));
}

#[test]
fn a_running_agent_reads_only_what_can_be_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let pipe = pipe.to_str().unwrap();
    for key in ["config", "key-file", "http-token-file"] {
        let error = reload(flags(&[(key, pipe)]), &around(&[])).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(pipe) && error.contains("cannot be read again"),
            "{error}"
        );
    }
    let writer = std::thread::spawn({
        let pipe = pipe.to_owned();
        move || std::fs::write(pipe, "cluster = 'blue'").unwrap()
    });
    let (launch, _) = effective(flags(&[("config", pipe)]), &around(&[])).unwrap();
    assert_eq!(launch.config.cluster, "blue");
    writer.join().unwrap();
}

#[test]
fn no_file_of_members_takes_the_place_of_one_that_the_agent_needs() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let secret = |name: &str, text: &str| {
        std::fs::write(at(name), text).unwrap();
        std::fs::set_permissions(at(name), Permissions::from_mode(0o600)).unwrap();
        at(name)
    };
    let key = secret("key", &generate_key().unwrap());
    let token = secret("token", "correct-horse-battery");
    let base = format!(
        "key-file = '{key}'\nhttp-token-file = '{token}'\njoin = 'file:{}'\ndata-dir = '{}'\n\
         socket = '{}'\n",
        at("seeds"),
        at("data"),
        at("s.sock")
    );
    let loaded = |path: &str| {
        let rest = format!(
            "[[file]]\npath = '{path}'\ntemplate-file = '{}'\n",
            at("web.jinja")
        );
        std::fs::write(at("agent.toml"), format!("{base}{rest}")).unwrap();
        load(flags(&[("config", &at("agent.toml"))]), &around(&[]))
    };
    std::os::unix::fs::symlink(&key, at("link")).unwrap();
    loaded(&at("members")).unwrap();
    loaded(&at("database")).unwrap();
    for (name, what) in [
        ("key", "is the agent's key-file"),
        ("link", "is the agent's key-file"),
        ("token", "is the agent's http-token-file"),
        ("seeds", "is a list of seeds"),
        ("agent.toml", "is the configuration"),
        ("web.jinja", "is a template-file"),
        ("s.sock", "is the agent's socket"),
        ("s.sock.lock", "is the agent's socket"),
        ("data", "is in the agent's data-dir"),
        ("data/members", "is in the agent's data-dir"),
    ] {
        let error = loaded(&at(name)).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("agent.toml:7) ") && said.contains(what),
            "{said}"
        );
        assert!(error.hint().contains("nothing else is kept"), "{said}");
    }
}

#[test]
fn a_variable_of_ours_that_is_no_text_is_refused_by_name() {
    let with = |name: &str| {
        let mut around = around(&[]);
        around.variables.insert(name.into(), None);
        around
    };
    let error = load(Flags::default(), &with("HEADCOUNT_CLUSTER")).unwrap_err();
    assert_eq!(error.to_string(), "variable HEADCOUNT_CLUSTER is not UTF-8");
    let error = load(Flags::default(), &with("HEADCOUNT_CONFIG")).unwrap_err();
    assert_eq!(error.to_string(), "variable HEADCOUNT_CONFIG is not UTF-8");
    socket(None, &with("HEADCOUNT_SOCKET")).unwrap_err();
    let nameless = Surroundings {
        host_name: None,
        ..around(&[])
    };
    let error = load(Flags::default(), &nameless).unwrap_err().to_string();
    assert!(error.contains("this host's name is not UTF-8"), "{error}");
    load(flags(&[("name", "n1")]), &nameless).unwrap();
}

#[test]
fn a_list_of_nothing_in_a_variable_counts_as_not_set() {
    let file = file("join = ['10.0.0.1']\n");
    for nothing in [",", " ", " , "] {
        let around = around(&[("HEADCOUNT_JOIN", nothing)]);
        let given = flags(&[("config", path(&file))]);
        let join = load(given, &around).unwrap().config.join;
        assert_eq!(join, ["10.0.0.1".parse().unwrap()], "{nothing:?}");
    }
}

#[test]
fn a_tag_has_one_value() {
    for twice in ["a=1 b=1 a=2", "a=1 a=1"] {
        let (error, hint) = refused(&[("tag", twice)]);
        assert!(error.contains("has a twice"), "{error}");
        assert_eq!(hint, "give each tag one value");
    }
}

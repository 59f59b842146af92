//! The values themselves: from the texts that were given to the checked [`Config`].

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    Access, Config, ConfigError, Logging, MAX_MEMBERS_DEFAULT, Origin, PORT_DEFAULT,
    SOCKET_PATH_BYTES_MAX, Seed, Supervisor, Surroundings, access, advertise, is_loopback,
    kept::Own,
    key_file,
    keys::{self, Key, Refusal, refusal},
    sources::Values,
    text::Reading,
};
use crate::swim::{self, Keys, Profile, Tags};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Values {
    /// The agent's configuration, with a default for whatever was not given.
    pub(super) fn config(&self, around: &Surroundings) -> Result<Config, ConfigError> {
        let insecure = self.parsed("insecure", parse_bool)?.unwrap_or(false);
        let keys = self.parsed("key-file", |text| parse_key_file(text, self.reading))?;
        let keys = keys.unwrap_or_default();
        let bind = self.bind(insecure || keys.primary().is_some())?;
        let name = self.name(around)?;
        let access = self.access()?;
        let (socket, data_dir) = (self.socket(around)?, self.data_dir(&name, around)?);
        let join = self.every("join", parse_seed)?;
        self.check_kept(&Own {
            data_dir: &data_dir,
            join: &join,
            socket: &socket,
        })?;
        Ok(Config {
            bind,
            advertise: self.parsed("advertise", |text| advertise::parse(text, bind))?,
            join,
            cluster: self
                .parsed("cluster", parse_cluster)?
                .unwrap_or_else(|| "default".into()),
            profile: self.parsed("profile", parse_profile)?.unwrap_or_default(),
            socket,
            http: self.http(access.token.is_some())?,
            access,
            data_dir,
            tags: self.tags()?,
            keys,
            key_file: self.parsed("key-file", parse_path)?,
            max_members: self
                .parsed("max-members", parse_max_members)?
                .unwrap_or(MAX_MEMBERS_DEFAULT),
            insecure,
            forget_after: self.parsed("forget-after", parse_forget_after)?,
            restart_eta: self.parsed("restart-eta", parse_restart_eta)?,
            supervisor: Supervisor::find(around),
            outputs: self.outputs.clone(),
            name,
        })
    }

    /// The agent's logging.
    pub(super) fn logging(&self) -> Result<Logging, ConfigError> {
        let level = self.parsed("log-level", parse_level)?;
        Ok(Logging {
            level: level.unwrap_or(tracing::Level::INFO),
            json: self.parsed("log-format", parse_format)?.unwrap_or(false),
        })
    }

    /// The local API's socket.
    pub(super) fn socket(&self, around: &Surroundings) -> Result<PathBuf, ConfigError> {
        if let Some(path) = self.parsed("socket", parse_socket)? {
            return Ok(path);
        }
        let Some(path) = around.socket() else {
            let why = "neither XDG_RUNTIME_DIR nor HOME says where it could be";
            return Err(ConfigError::Missing { key: "socket", why });
        };
        let text = path.to_string_lossy();
        let origin = Origin::Default("from XDG_RUNTIME_DIR or HOME");
        parse_socket(&text).map_err(|why| key("socket").refuse(&text, &origin, why))
    }

    fn bind(&self, may_be_reached: bool) -> Result<SocketAddr, ConfigError> {
        let parse = |text: &str| {
            let bind = parse_address(text, LOOPBACK, PORT_DEFAULT)?;
            match may_be_reached || is_loopback(bind.ip()) {
                true => Ok(bind),
                false => Err(refusal(
                    "is not a loopback address, and without a key gossip is plain text",
                    "umask 077; headcount keys generate > FILE, and give --key-file FILE to all; \
                     or say --insecure",
                )),
            }
        };
        let default = SocketAddr::new(LOOPBACK, PORT_DEFAULT);
        Ok(self.parsed("bind", parse)?.unwrap_or(default))
    }

    fn access(&self) -> Result<Access, ConfigError> {
        let token_file = |text: &str| access::parse_token_file(&parse_path(text)?, self.reading);
        let usual = Access::default();
        Ok(Access {
            mode: self
                .parsed("socket-mode", access::parse_mode)?
                .unwrap_or(usual.mode),
            owner: self.parsed("socket-owner", access::parse_user)?,
            group: self.parsed("socket-group", access::parse_group)?,
            full: self.every("allow", access::parse_who)?,
            read: self.every("allow-read", access::parse_who)?,
            token: self.parsed("http-token-file", token_file)?,
        })
    }

    fn http(&self, has_token: bool) -> Result<Option<SocketAddr>, ConfigError> {
        self.parsed("http", |text| {
            let address = parse_http(text)?;
            match has_token || is_loopback(address.ip()) {
                true => Ok(address),
                false => Err(refusal(
                    "is not a loopback address, and without a token anyone who reaches it can \
                     use it",
                    "umask 077; headcount keys generate > FILE, and give --http-token-file FILE",
                )),
            }
        })
    }

    fn name(&self, around: &Surroundings) -> Result<String, ConfigError> {
        if let Some(name) = self.parsed("name", parse_name)? {
            return Ok(name);
        }
        let origin = Origin::Default("this host's name");
        let host = around.host_name.as_ref().ok_or(ConfigError::Missing {
            key: "name",
            why: "this host's name is not UTF-8",
        })?;
        parse_name(host).map_err(|why| key("name").refuse(host, &origin, why))
    }

    fn data_dir(&self, name: &str, around: &Surroundings) -> Result<PathBuf, ConfigError> {
        if let Some(path) = self.parsed("data-dir", parse_path)? {
            return Ok(path);
        }
        let why = "neither XDG_STATE_HOME nor HOME says where it could be";
        let missing = ConfigError::Missing {
            key: "data-dir",
            why,
        };
        Ok(around.state_dir().ok_or(missing)?.join(file_name(name)))
    }

    fn tags(&self) -> Result<Tags, ConfigError> {
        let pairs = self.every("tag", parse_tag)?;
        let Some(given) = self.given("tag") else {
            return Ok(Tags::default());
        };
        let mut keys = BTreeSet::new();
        let mut given_keys = pairs.iter().map(|(key, _)| key);
        if let Some(twice) = given_keys.find(|key| !keys.insert(*key)) {
            let why = refusal(format!("has {twice} twice"), "give each tag one value");
            return Err(key("tag").refuse(&given.values.join(" "), &given.origin, why));
        }
        let tags: Tags = pairs.into_iter().collect();
        let hint = "use fewer or shorter tags: they travel with every announcement";
        match swim::check_tags(&tags) {
            Ok(()) => Ok(tags),
            Err(error) => {
                let why = refusal(format!("cannot be used: {error}"), hint);
                Err(key("tag").refuse(&given.values.join(" "), &given.origin, why))
            }
        }
    }

    /// The only value of a key, parsed; `None` when nobody gave it.
    fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Option<T>, ConfigError> {
        Ok(self.every(name, parse)?.pop())
    }

    /// All values of a key, parsed.
    fn every<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, ConfigError> {
        let Some(given) = self.given(name) else {
            return Ok(Vec::new());
        };
        let parse =
            |text: &String| parse(text).map_err(|why| key(name).refuse(text, &given.origin, why));
        given.values.iter().map(parse).collect()
    }
}

fn key(name: &str) -> &'static Key {
    keys::find(name).expect("only names of KEYS are asked for")
}

/// `IP:PORT`, `IP` or `:PORT`, with brackets around an IPv6 that has a port.
pub(super) fn parse_address(text: &str, ip: IpAddr, port: u16) -> Result<SocketAddr, Refusal> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(text).parse() {
        return Ok(SocketAddr::new(ip, port));
    }
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse();
        return port
            .map(|port| SocketAddr::new(ip, port))
            .map_err(|_| refusal("has no port from 0 to 65535", "write for example :7946"));
    }
    let hint = "write an IP of this host, for example 127.0.0.1:7946; only join takes names";
    Err(refusal("is not an IP address", hint))
}

fn parse_http(text: &str) -> Result<SocketAddr, Refusal> {
    let no_port = || refusal("has no port", "write for example 127.0.0.1:7980");
    let is_ip = text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if is_ip {
        return Err(no_port());
    }
    parse_address(text, LOOPBACK, 0)
}

/// Names are looked up later, again and again, and so are files.
fn parse_seed(text: &str) -> Result<Seed, Refusal> {
    let hint = "write for example 10.0.0.1:7946, [::1]:7946, seed.example, \
        srv:_headcount._udp.example.com or file:/etc/headcount/seeds";
    text.parse::<Seed>()
        .map_err(|error| refusal(error.why, hint))
}

fn parse_name(text: &str) -> Result<String, Refusal> {
    let hint = "say --name with a name that no other member of the cluster has";
    let bad = |_| refusal("is not a member name", hint);
    swim::check_name(text).map_err(bad)?;
    Ok(text.into())
}

fn parse_cluster(text: &str) -> Result<String, Refusal> {
    let hint = "all members of one cluster say the same --cluster, for example production";
    let bad = |_| refusal("is not a cluster name", hint);
    swim::check_cluster(text).map_err(bad)?;
    Ok(text.into())
}

fn parse_max_members(text: &str) -> Result<usize, Refusal> {
    let number = text.parse().ok();
    number
        .filter(|number| (2..=1_000_000).contains(number))
        .ok_or_else(|| refusal("is not a number of members", "16384 is the default"))
}

fn parse_profile(text: &str) -> Result<Profile, Refusal> {
    let hint = "lan for one data centre, wan for the internet, local for one machine";
    text.parse().map_err(|_| refusal("is not a profile", hint))
}

fn parse_forget_after(text: &str) -> Result<Duration, Refusal> {
    let hint = "a member is forgotten at once by `headcount remove NAME`";
    super::times::forget_after(text).ok_or_else(|| refusal("is not such a time", hint))
}

fn parse_restart_eta(text: &str) -> Result<Duration, Refusal> {
    let hint = "say how long your service manager needs to start it again, as 30s";
    super::restart_eta(text).map_err(|_| refusal("is not such a time", hint))
}

fn parse_bool(text: &str) -> Result<bool, Refusal> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(refusal("is neither true nor false", "write true or false")),
    }
}

fn parse_level(text: &str) -> Result<tracing::Level, Refusal> {
    let bad = |_| refusal("is not a log level", "info is the default");
    match text.parse::<u8>() {
        Ok(_) => Err(refusal("is not a log level", "write a word, not a number")),
        Err(_) => text.parse().map_err(bad),
    }
}

/// Whether the format is JSON.
fn parse_format(text: &str) -> Result<bool, Refusal> {
    match text {
        "json" => Ok(true),
        "text" => Ok(false),
        _ => Err(refusal("is not a log format", "text is the default")),
    }
}

fn parse_key_file(text: &str, reading: Reading) -> Result<Keys, Refusal> {
    let keys = key_file::read_by(&parse_path(text)?, reading);
    keys.map_err(|invalid| refusal(invalid.why, invalid.hint))
}

fn parse_path(text: &str) -> Result<PathBuf, Refusal> {
    match text.is_empty() || text.contains('\0') {
        true => Err(refusal(
            "is not a path",
            "write for example /var/lib/headcount/n1",
        )),
        false => Ok(text.into()),
    }
}

fn parse_socket(text: &str) -> Result<PathBuf, Refusal> {
    let hint = "use a short path, for example /run/headcount.sock";
    match text.len() {
        0 => Err(refusal("is not a path", hint)),
        length if length > SOCKET_PATH_BYTES_MAX => {
            Err(refusal(format!("is {length} bytes long"), hint))
        }
        _ => parse_path(text),
    }
}

fn parse_tag(text: &str) -> Result<(String, String), Refusal> {
    let hint = "write for example role=web";
    let Some((key, value)) = text.split_once('=') else {
        return Err(refusal("has no `=`", hint));
    };
    let pair = (key.to_owned(), value.to_owned());
    match swim::check_tags(&Tags::from_iter([pair.clone()])) {
        Ok(()) => Ok(pair),
        Err(error) => Err(refusal(format!("cannot be used: {error}"), hint)),
    }
}

/// A member's name as one component of a path: `/` and names made of dots cannot lead elsewhere,
/// and no two names give the same directory.
fn file_name(name: &str) -> String {
    let escaped = name.replace('%', "%25").replace('/', "%2F");
    match escaped.trim_start_matches('.') {
        "" => escaped.replace('.', "%2E"),
        _ => escaped,
    }
}

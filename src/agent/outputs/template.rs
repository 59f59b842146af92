//! `Renderer`: members as the text that another program reads.

use std::{fs, sync::Arc};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde_json::{Value, json};

use crate::{
    agent::Error,
    config::{BuiltIn, OutputFile, Template},
    feed::Member,
    swim::AppStatus,
};

const NAME: &str = "file";
/// A template that does not end would hold the agent's end up. Ten thousand members take less.
const INSTRUCTIONS_MAX: u64 = 50_000_000;

/// A template, and what a file is to say of its members.
#[derive(Debug)]
pub(super) struct Renderer {
    template: Environment<'static>,
    port: Option<u16>,
    port_tag: Option<String>,
    upstream: String,
    with_app_down: bool,
}

const fn text_of(template: BuiltIn) -> &'static str {
    match template {
        BuiltIn::HaproxyMap => include_str!("templates/haproxy-map.jinja"),
        BuiltIn::Hosts => include_str!("templates/hosts.jinja"),
        BuiltIn::Json => include_str!("templates/json.jinja"),
        BuiltIn::Nginx => include_str!("templates/nginx.jinja"),
        BuiltIn::Prometheus => include_str!("templates/prometheus.jinja"),
    }
}

impl Renderer {
    /// Reads the file's template.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub(super) fn new(file: &OutputFile) -> Result<Self, Error> {
        let template = match &file.template {
            Template::BuiltIn(built_in) => compiled(text_of(*built_in).into()),
            Template::File(path) => fs::read_to_string(path)
                .map_err(|error| error.to_string())
                .and_then(compiled),
        };
        let template = template.map_err(|why| match &file.template {
            Template::BuiltIn(_) => unreachable!("a test compiles each of ours"),
            Template::File(path) => Error::Template {
                path: path.clone(),
                why,
            },
        })?;
        Ok(Self {
            template,
            port: file.port,
            port_tag: file.port_tag.clone(),
            upstream: file.upstream.clone(),
            with_app_down: file.with_app_down,
        })
    }

    /// What the template says.
    pub(super) fn text(&self) -> String {
        let template = self.template.get_template(NAME).expect("it was added");
        template.source().into()
    }

    /// The file for `members`, who are shown by name.
    ///
    /// # Errors
    /// What the template asks for and cannot have.
    pub(super) fn render(&self, members: &[Arc<Member>]) -> Result<String, String> {
        let mut shown: Vec<&Arc<Member>> =
            members.iter().filter(|member| self.shows(member)).collect();
        shown.sort_unstable_by(|a, b| a.view.card.name.cmp(&b.view.card.name));
        let members: Vec<_> = shown
            .into_iter()
            .filter_map(|member| self.shown(member))
            .collect();
        let context = json!({ "members": members, "upstream": self.upstream });
        let template = self.template.get_template(NAME).expect("it was added");
        template
            .render(Serde(context))
            .map_err(|error| in_one_line(&error))
    }

    fn shows(&self, member: &Member) -> bool {
        self.with_app_down || !matches!(member.view.app, Some(AppStatus::Down(_)))
    }

    /// The member as the API shows it, and where its application is. `None` of a member that does
    /// not say where.
    fn shown(&self, member: &Member) -> Option<Value> {
        let card = &member.view.card;
        let own = self.port_tag.as_ref().and_then(|tag| card.tags.value(tag));
        let port = match (own, self.port, &self.port_tag) {
            (Some(own), _, _) => own.parse().ok()?,
            (None, Some(port), _) => port,
            (None, None, Some(_)) => return None,
            (None, None, None) => card.address.port(),
        };
        let target = std::net::SocketAddr::new(card.address.ip(), port);
        let mut shown = serde_json::to_value(member).expect("a member has string keys");
        shown["host"] = card.address.ip().to_string().into();
        shown["port"] = port.into();
        shown["target"] = target.to_string().into();
        Some(shown)
    }
}

/// Names that a template gets wrong are errors, not nothing.
fn compiled(text: String) -> Result<Environment<'static>, String> {
    let mut template = Environment::new();
    template.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    template.set_auto_escape_callback(|_| AutoEscape::None);
    template.set_syntax(syntax());
    template.set_fuel(Some(INSTRUCTIONS_MAX));
    template.add_filter("label", label);
    let added = template.add_template_owned(NAME, text);
    added.map_err(|error| in_one_line(&error))?;
    Ok(template)
}

/// Lines that hold nothing but a tag leave nothing behind.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true);
    syntax.lstrip_blocks(true);
    syntax.keep_trailing_newline(true);
    syntax.build().expect("the usual signs")
}

/// Text as Prometheus calls labels.
fn label(text: &str) -> String {
    let sign = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(sign).collect()
}

fn in_one_line(error: &minijinja::Error) -> String {
    let line = error
        .line()
        .map_or_else(String::new, |line| format!("line {line}: "));
    format!(
        "{line}{}",
        error.detail().unwrap_or("a template that cannot be used")
    )
}

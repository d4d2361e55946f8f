//! Runs a parsed template on a JSON value.
//!
//! Go knows structs from maps, JSON does not: a field that a struct lacks is an
//! error, a key that a map lacks is `<no value>`. The names of docker's maps
//! ([`MAPS`]) tell them apart here.

use std::borrow::Cow;

use serde_json::Value;

use super::functions;
use super::parse::{Command, Node, Operand, OperandKind, Pipeline};

/// Fields that are maps in docker's types, whose keys the user chooses.
const MAPS: [&str; 16] = [
    "Annotations",
    "Containers",
    "DriverOpts",
    "ExposedPorts",
    "Label",
    "Labels",
    "MetaData",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Sysctls",
    "Tmpfs",
    "Volumes",
    "Attributes",
    "Data",
];

/// Fields that are pointers: `<nil>` where others that are `null` are empty lists.
const POINTERS: [&str; 6] = [
    "Health",
    "Init",
    "MemorySwappiness",
    "OomKillDisable",
    "PidsLimit",
    "UsageData",
];

/// A value, and whether it came from a map.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub value: Cow<'a, Value>,
    pub map: bool,
    /// A key that a map does not have: Go's zero value.
    pub missing: bool,
    /// A pointer that points nowhere.
    pub pointer: bool,
}

impl<'a> Item<'a> {
    pub fn new(value: Value) -> Self {
        Self::of(Cow::Owned(value))
    }

    fn of(value: Cow<'a, Value>) -> Self {
        Self {
            value,
            map: false,
            missing: false,
            pointer: false,
        }
    }

    /// What Go's templates take for true: not empty, not zero.
    pub fn truth(&self) -> bool {
        match &*self.value {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(value) => value.as_f64() != Some(0.0),
            Value::String(value) => !value.is_empty(),
            Value::Array(value) => !value.is_empty(),
            Value::Object(value) => !self.map || !value.is_empty(),
        }
    }

    /// As Go's `fmt.Print` has it.
    pub fn text(&self) -> String {
        match &*self.value {
            Value::Null if self.missing => "<no value>".into(),
            Value::Null if self.pointer => "<nil>".into(),
            value => go_text(value, self.map),
        }
    }
}

fn go_text(value: &Value, map: bool) -> String {
    match value {
        Value::Null => "[]".into(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| go_text(value, false)).collect();
            format!("[{}]", values.join(" "))
        }
        Value::Object(members) => {
            let nested = |(key, value): (&String, &Value)| {
                // The one nested Config is that of a log driver, a map.
                let text = go_text(value, MAPS.contains(&key.as_str()) || key == "Config");
                if map { format!("{key}:{text}") } else { text }
            };
            let mut texts: Vec<String> = members.iter().map(nested).collect();
            if map {
                texts.sort();
                format!("map[{}]", texts.join(" "))
            } else {
                format!("{{{}}}", texts.join(" "))
            }
        }
    }
}

/// Why the rendering of nodes stops.
#[derive(Debug)]
pub enum Stop {
    /// At which byte of the template, and what.
    Fail(usize, String),
    Break,
    Continue,
}

/// One rendering.
#[derive(Debug)]
pub struct Context<'a> {
    source: &'a str,
    methods: &'a Value,
    dot: Item<'a>,
    variables: Vec<(String, Item<'a>)>,
    header: bool,
    pub output: String,
}

impl<'a> Context<'a> {
    pub fn new(source: &'a str, value: &'a Value, methods: &'a Value) -> Self {
        let dot = Item::of(Cow::Borrowed(value));
        Self {
            source,
            methods,
            variables: vec![("$".into(), dot.clone())],
            dot,
            header: false,
            output: String::new(),
        }
    }

    pub fn for_header(mut self) -> Self {
        self.header = true;
        self
    }

    pub fn render(&mut self, nodes: &[Node]) -> Result<(), Stop> {
        for node in nodes {
            match node {
                Node::Text(text) => self.output.push_str(text),
                Node::Action(pipeline) => {
                    let item = self.pipeline(pipeline)?;
                    if pipeline.targets.is_empty() {
                        self.output.push_str(&item.text());
                    }
                }
                Node::If(branches, other) => self.branch(branches, other)?,
                Node::With(pipeline, body, other) => {
                    let visible = self.variables.len();
                    let item = self.pipeline(pipeline)?;
                    let result = if item.truth() {
                        let outer = std::mem::replace(&mut self.dot, item);
                        let result = self.render(body);
                        self.dot = outer;
                        result
                    } else {
                        self.render(other)
                    };
                    self.variables.truncate(visible);
                    result?;
                }
                Node::Range(pipeline, body, other) => self.range(pipeline, body, other)?,
                Node::Break => return Err(Stop::Break),
                Node::Continue => return Err(Stop::Continue),
            }
        }
        Ok(())
    }

    fn branch(&mut self, branches: &[(Pipeline, Vec<Node>)], other: &[Node]) -> Result<(), Stop> {
        let visible = self.variables.len();
        let mut chosen = other;
        for (condition, body) in branches {
            if self.pipeline(condition)?.truth() {
                chosen = body;
                break;
            }
        }
        let result = self.render(chosen);
        self.variables.truncate(visible);
        result
    }

    fn range(&mut self, pipeline: &Pipeline, body: &[Node], other: &[Node]) -> Result<(), Stop> {
        let visible = self.variables.len();
        let over = self.commands(pipeline)?;
        let entries: Vec<(Value, Value)> = match &*over.value {
            Value::Array(values) => values
                .iter()
                .enumerate()
                .map(|(index, value)| (index.into(), value.clone()))
                .collect(),
            Value::Object(members) => {
                let mut entries: Vec<(Value, Value)> = members
                    .iter()
                    .map(|(key, value)| (key.clone().into(), value.clone()))
                    .collect();
                // Go ranges over a map in the order of its keys.
                entries.sort_by(|a, b| a.0.as_str().cmp(&b.0.as_str()));
                entries
            }
            Value::Null => Vec::new(),
            other => {
                let at = pipeline.commands.first().map_or(0, |command| command.from);
                let what = format!("range can't iterate over {}", go_text(other, false));
                return Err(self.fail(at, pipeline.commands.first(), &what));
            }
        };
        if entries.is_empty() {
            return self.render(other);
        }
        let outer = self.dot.clone();
        let mut result = Ok(());
        for (key, value) in entries {
            self.variables.truncate(visible);
            let value = Item::new(value);
            match pipeline.targets.as_slice() {
                [] => {}
                [only] => self.variables.push((only.clone(), value.clone())),
                [first, second, ..] => {
                    self.variables.push((first.clone(), Item::new(key)));
                    self.variables.push((second.clone(), value.clone()));
                }
            }
            self.dot = value;
            match self.render(body) {
                Ok(()) | Err(Stop::Continue) => {}
                Err(Stop::Break) => break,
                failed => {
                    result = failed;
                    break;
                }
            }
        }
        self.dot = outer;
        self.variables.truncate(visible);
        result
    }

    /// The pipeline's value, and its variables set.
    fn pipeline(&mut self, pipeline: &Pipeline) -> Result<Item<'a>, Stop> {
        let item = self.commands(pipeline)?;
        for name in &pipeline.targets {
            let place = self.variables.iter_mut().rev().find(|(own, _)| own == name);
            match place {
                Some((_, value)) if !pipeline.declares => *value = item.clone(),
                _ => self.variables.push((name.clone(), item.clone())),
            }
        }
        Ok(item)
    }

    fn commands(&mut self, pipeline: &Pipeline) -> Result<Item<'a>, Stop> {
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, piped)?);
        }
        Ok(piped.unwrap_or_else(|| Item::new(Value::Null)))
    }

    /// A command; what was piped into it is its last argument.
    fn command(&mut self, command: &Command, piped: Option<Item<'a>>) -> Result<Item<'a>, Stop> {
        let Some((first, rest)) = command.operands.split_first() else {
            return Ok(Item::new(Value::Null));
        };
        let mut arguments = Vec::new();
        for operand in rest {
            arguments.push(self.operand(operand)?);
        }
        arguments.extend(piped);
        if let OperandKind::Function(name) = &first.kind {
            let result = functions::call(name, &arguments, self.header);
            let item = result.map_err(|what| {
                let what = format!("error calling {name}: {what}");
                self.fail(command.from, Some(command), &what)
            })?;
            return self.fields(item, first);
        }
        if arguments.is_empty() {
            return self.operand(first);
        }
        self.method(first, &arguments)
    }

    /// `.Label "a"`: the one kind of call with arguments that listings have.
    fn method(&mut self, operand: &Operand, arguments: &[Item<'a>]) -> Result<Item<'a>, Stop> {
        let name = operand.fields.last().map_or("", String::as_str);
        let key = arguments.first().map(Item::text).unwrap_or_default();
        if self.header {
            return Ok(Item::new(key.into()));
        }
        match self.methods.get(name) {
            Some(results) => {
                let result = results.get(&key).cloned().unwrap_or_else(|| "".into());
                Ok(Item::new(result))
            }
            None => {
                let what = format!("{name} is not a method but has arguments");
                Err(self.fail_at(operand, &what))
            }
        }
    }

    fn operand(&mut self, operand: &Operand) -> Result<Item<'a>, Stop> {
        let item = match &operand.kind {
            OperandKind::Dot => self.dot.clone(),
            OperandKind::Literal(value) => Item::new(value.clone()),
            OperandKind::Variable(name) => {
                let found = self.variables.iter().rev().find(|(own, _)| own == name);
                found.map_or_else(|| Item::new(Value::Null), |(_, item)| item.clone())
            }
            OperandKind::Function(name) => functions::call(name, &[], self.header)
                .map_err(|what| self.fail_at(operand, &format!("error calling {name}: {what}")))?,
            OperandKind::Pipeline(pipeline) => self.pipeline(pipeline)?,
        };
        self.fields(item, operand)
    }

    fn fields(&self, mut item: Item<'a>, operand: &Operand) -> Result<Item<'a>, Stop> {
        let mut at = match &operand.kind {
            OperandKind::Variable(name) => operand.from + name.len(),
            _ => operand.from,
        };
        for name in &operand.fields {
            // An error is told at the field that failed, and quotes all of them.
            item = self.field(item, name, (at, operand.from, operand.to))?;
            at += 1 + name.len();
        }
        Ok(item)
    }

    fn field(
        &self,
        item: Item<'a>,
        name: &str,
        (at, from, to): (usize, usize, usize),
    ) -> Result<Item<'a>, Stop> {
        let found = match &item.value {
            Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed),
            Cow::Owned(value) => value.get(name).cloned().map(Cow::Owned),
        };
        if let Some(value) = found {
            let map = value.is_object() && MAPS.contains(&name);
            let pointer = POINTERS.contains(&name);
            return Ok(Item {
                map,
                pointer,
                ..Item::of(value)
            });
        }
        match &*item.value {
            Value::Object(_) if item.map => Ok(Item {
                missing: true,
                ..Item::new(Value::Null)
            }),
            Value::Object(_) => {
                let what = format!("map has no entry for key \"{name}\"");
                Err(self.failure(at, from, to, &what))
            }
            Value::Null => {
                let what = format!("nil data; no entry for key \"{name}\"");
                Err(self.failure(at, from, to, &what))
            }
            _ => {
                let what = format!("can't evaluate field {name} in type interface {{}}");
                Err(self.failure(at, from, to, &what))
            }
        }
    }

    fn fail_at(&self, operand: &Operand, what: &str) -> Stop {
        self.failure(operand.from, operand.from, operand.to, what)
    }

    fn fail(&self, at: usize, command: Option<&Command>, what: &str) -> Stop {
        self.failure(at, at, command.map_or(at, |command| command.to), what)
    }

    /// `at <.Nope>: …`; Go cuts a long quotation.
    fn failure(&self, at: usize, from: usize, to: usize, what: &str) -> Stop {
        let quoted = self.source.get(from..to).unwrap_or_default().trim();
        let mut short: String = quoted.chars().take(20).collect();
        if quoted.chars().count() > 20 {
            short.push_str("...");
        }
        Stop::Fail(at, format!("at <{short}>: {what}"))
    }
}

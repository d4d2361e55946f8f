//! Tokens as a tree. The grammar is Go's text/template, without named templates
//! (`define`, `template`, `block`), which no one-line format needs.

use serde_json::{Number, Value};

use super::functions;
use super::lex::{Kind, Token, Wrong, tokens};

#[derive(Clone, Debug)]
pub enum Node {
    Text(String),
    Action(Pipeline),
    /// `if` and `else if`, in order, and `else`.
    If(Vec<(Pipeline, Vec<Node>)>, Vec<Node>),
    Range(Pipeline, Vec<Node>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Break,
    Continue,
}

/// `$a, $b := command | command`
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    /// The variables that get the value.
    pub targets: Vec<String>,
    /// `:=` makes new ones, `=` changes those that are there.
    pub declares: bool,
    pub commands: Vec<Command>,
}

/// A function or field with arguments, or one value.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// Its bytes in the template: an error quotes them.
    pub from: usize,
    pub to: usize,
    pub operands: Vec<Operand>,
}

#[derive(Clone, Debug)]
pub struct Operand {
    pub from: usize,
    pub to: usize,
    pub kind: OperandKind,
    /// `.A.B` after it.
    pub fields: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum OperandKind {
    Dot,
    Literal(Value),
    Variable(String),
    Function(String),
    Pipeline(Pipeline),
}

/// # Errors
/// What is wrong and where, in Go's words.
pub fn parse(text: &str) -> Result<Vec<Node>, Wrong> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        end: text.len(),
        variables: vec!["$".into()],
        loops: 0,
    };
    let (nodes, end) = parser.nodes()?;
    match end {
        None => Ok(nodes),
        Some((at, word)) => Err((at, format!("unexpected {{{{{word}}}}}"))),
    }
}

/// Where a list of nodes ends, and by which word: `end` or `else`.
type End = (usize, String);

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// Length of the template.
    end: usize,
    variables: Vec<String>,
    /// How many `range` are around.
    loops: usize,
}

impl Parser {
    /// Nodes up to the end of the text, or to an `{{end}}` or `{{else`, whose place and
    /// word are given back; of `{{else` what follows is still to be read.
    fn nodes(&mut self) -> Result<(Vec<Node>, Option<End>), Wrong> {
        let mut nodes = Vec::new();
        while let Some(token) = self.take() {
            match token.kind {
                Kind::Text(text) => nodes.push(Node::Text(text)),
                _ => {
                    self.blanks();
                    let word = match self.peek() {
                        Some(Kind::Word(word)) => word.clone(),
                        _ => String::new(),
                    };
                    match word.as_str() {
                        "end" | "else" => {
                            let at = token.at;
                            self.next += 1;
                            self.blanks();
                            if word == "end" {
                                self.close("end")?;
                            }
                            return Ok((nodes, Some((at, word))));
                        }
                        _ => nodes.push(self.action(&word)?),
                    }
                }
            }
        }
        Ok((nodes, None))
    }

    fn action(&mut self, word: &str) -> Result<Node, Wrong> {
        let known = ["if", "range", "with", "break", "continue"].contains(&word);
        if known {
            self.next += 1;
            self.blanks();
        }
        let visible = self.variables.len();
        let node = match word {
            "if" => self.branches()?,
            "range" => {
                let pipeline = self.pipeline("range")?;
                self.loops += 1;
                let (body, other) = self.body()?;
                self.loops -= 1;
                Node::Range(pipeline, body, other)
            }
            "with" => {
                let pipeline = self.pipeline("with")?;
                let (body, other) = self.body()?;
                Node::With(pipeline, body, other)
            }
            "break" | "continue" => {
                if self.loops == 0 {
                    return Err((self.at(), format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                self.close(word)?;
                match word {
                    "break" => Node::Break,
                    _ => Node::Continue,
                }
            }
            _ => return Ok(Node::Action(self.pipeline("command")?)),
        };
        // What a branch has declared is gone after its end.
        self.variables.truncate(visible);
        Ok(node)
    }

    fn branches(&mut self) -> Result<Node, Wrong> {
        let mut branches = Vec::new();
        loop {
            let condition = self.pipeline("if")?;
            let (body, end) = self.nodes()?;
            branches.push((condition, body));
            match end {
                None => return Err((self.end, "unexpected EOF".into())),
                Some((_, word)) if word == "end" => return Ok(Node::If(branches, Vec::new())),
                Some(_) if self.peek() == Some(&Kind::Word("if".into())) => {
                    self.next += 1;
                    self.blanks();
                }
                Some(_) => {
                    self.close("else")?;
                    return Ok(Node::If(branches, self.last()?));
                }
            }
        }
    }

    /// A body and its `else`, up to the `end`.
    fn body(&mut self) -> Result<(Vec<Node>, Vec<Node>), Wrong> {
        let (body, end) = self.nodes()?;
        match end {
            None => Err((self.end, "unexpected EOF".into())),
            Some((_, word)) if word == "end" => Ok((body, Vec::new())),
            Some(_) => {
                self.close("else")?;
                Ok((body, self.last()?))
            }
        }
    }

    fn last(&mut self) -> Result<Vec<Node>, Wrong> {
        match self.nodes()? {
            (nodes, Some((_, word))) if word == "end" => Ok(nodes),
            (_, Some((at, _))) => Err((at, "expected end; found {{else}}".into())),
            (_, None) => Err((self.end, "unexpected EOF".into())),
        }
    }

    /// A pipeline to the end of its action, or to the `)` that ends its parenthesis.
    fn pipeline(&mut self, context: &str) -> Result<Pipeline, Wrong> {
        let mut pipeline = self.targets()?;
        loop {
            let command = self.command()?;
            if command.operands.is_empty() {
                return Err((self.at(), format!("missing value for {context}")));
            }
            pipeline.commands.push(command);
            match self.take().map(|token| token.kind) {
                Some(Kind::Sign("|")) => self.blanks(),
                Some(Kind::Close) if context != "parenthesized pipeline" => return Ok(pipeline),
                Some(Kind::Sign(")")) if context == "parenthesized pipeline" => {
                    return Ok(pipeline);
                }
                Some(Kind::Close) => return Err((self.at(), "unclosed left paren".into())),
                Some(Kind::Sign(sign)) => {
                    return Err((self.at(), format!("unexpected {sign:?} in {context}")));
                }
                _ => return Err((self.at(), "unclosed action".into())),
            }
        }
    }

    /// `$x :=`, `$i, $e :=`, `$x =`, where there is one.
    fn targets(&mut self) -> Result<Pipeline, Wrong> {
        let start = self.next;
        let mut pipeline = Pipeline::default();
        while let Some(Kind::Variable(name)) = self.peek().cloned() {
            self.next += 1;
            self.blanks();
            pipeline.targets.push(name);
            let sign = self.take().map(|token| token.kind);
            self.blanks();
            match sign {
                Some(Kind::Sign(",")) => {}
                Some(Kind::Sign(":=")) => {
                    pipeline.declares = true;
                    self.variables.extend(pipeline.targets.iter().cloned());
                    return Ok(pipeline);
                }
                Some(Kind::Sign("=")) => {
                    for name in &pipeline.targets {
                        self.defined(name)?;
                    }
                    return Ok(pipeline);
                }
                _ => break,
            }
        }
        self.next = start;
        Ok(Pipeline::default())
    }

    fn command(&mut self) -> Result<Command, Wrong> {
        self.blanks();
        let mut command = Command {
            from: self.at(),
            ..Command::default()
        };
        loop {
            self.blanks();
            match self.peek() {
                None | Some(Kind::Close | Kind::Sign("|" | ")")) => return Ok(command),
                Some(_) => {
                    let operand = self.operand()?;
                    command.to = operand.to;
                    command.operands.push(operand);
                }
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, Wrong> {
        let from = self.at();
        let mut fields = Vec::new();
        let Some(token) = self.take() else {
            return Err((from, "unclosed action".into()));
        };
        let kind = match token.kind {
            Kind::Dot => OperandKind::Dot,
            Kind::Field(name) => {
                fields.push(name);
                OperandKind::Dot
            }
            Kind::Variable(name) => {
                self.defined(&name)?;
                OperandKind::Variable(name)
            }
            Kind::Quoted(text) => OperandKind::Literal(text.into()),
            Kind::Number(text) => OperandKind::Literal(
                number(&text).ok_or((from, format!("bad number syntax: {text:?}")))?,
            ),
            Kind::Word(word) => match word.as_str() {
                "true" => OperandKind::Literal(true.into()),
                "false" => OperandKind::Literal(false.into()),
                "nil" => OperandKind::Literal(Value::Null),
                _ if functions::known(&word) => OperandKind::Function(word),
                _ => return Err((from, format!("function \"{word}\" not defined"))),
            },
            Kind::Sign("(") => {
                self.blanks();
                OperandKind::Pipeline(self.pipeline("parenthesized pipeline")?)
            }
            Kind::Sign(sign) => return Err((from, format!("unexpected {sign:?} in operand"))),
            _ => return Err((from, "unexpected token in operand".into())),
        };
        while let Some(Kind::Field(name)) = self.peek().cloned() {
            fields.push(name);
            self.next += 1;
        }
        let to = self.at();
        Ok(Operand {
            from,
            to,
            kind,
            fields,
        })
    }

    fn defined(&self, name: &String) -> Result<(), Wrong> {
        match self.variables.contains(name) {
            true => Ok(()),
            false => Err((self.at(), format!("undefined variable \"{name}\""))),
        }
    }

    fn close(&mut self, context: &str) -> Result<(), Wrong> {
        self.blanks();
        match self.take().map(|token| token.kind) {
            Some(Kind::Close) => Ok(()),
            _ => Err((self.at(), format!("unexpected token in {context}"))),
        }
    }

    fn blanks(&mut self) {
        while self.peek() == Some(&Kind::Space) {
            self.next += 1;
        }
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    /// The byte of the template that is read next.
    fn at(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.end, |token| token.at)
    }
}

fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return i64::from_str_radix(hexadecimal, 16).ok().map(Value::from);
    }
    Number::from_f64(text.parse().ok()?).map(Value::Number)
}

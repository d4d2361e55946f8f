//! The template's text as tokens: what is outside of `{{ }}` is one token, what is
//! inside is Go's words.

/// Where it begins (a byte of the template), and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub at: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Printed as it is.
    Text(String),
    Open,
    Close,
    /// A keyword, `true`, `nil` or a function.
    Word(String),
    /// `.Name`, without its dot.
    Field(String),
    /// `$name`, with its dollar; `$` alone is the first dot.
    Variable(String),
    Dot,
    Quoted(String),
    Number(String),
    /// `|`, `(`, `)`, `,`, `=` and `:=`.
    Sign(&'static str),
    /// Blanks separate arguments: `.A.B` is one, `.A .B` are two.
    Space,
}

/// What is wrong, and at which byte.
pub type Wrong = (usize, String);

/// # Errors
/// An action or a string without its end; a character that begins nothing.
pub fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut trim = false;
    while at < text.len() {
        let open = text[at..].find("{{").map(|found| at + found);
        let mut plain = &text[at..open.unwrap_or(text.len())];
        if trim {
            plain = plain.trim_start();
        }
        let Some(open) = open else {
            push_text(&mut tokens, at, plain);
            break;
        };
        let mut inside = open + 2;
        if begins_trim(&text[inside..]) {
            plain = plain.trim_end();
            inside += 2;
        }
        push_text(&mut tokens, at, plain);
        (at, trim) = action(text, open, inside, &mut tokens)?;
    }
    Ok(tokens)
}

/// `{{- `: a minus and a blank, since `{{-3}}` is a number.
fn begins_trim(inside: &str) -> bool {
    let mut letters = inside.chars();
    letters.next() == Some('-') && letters.next().is_some_and(char::is_whitespace)
}

fn push_text(tokens: &mut Vec<Token>, at: usize, text: &str) {
    if !text.is_empty() {
        let kind = Kind::Text(text.into());
        tokens.push(Token { at, kind });
    }
}

/// One action. Gives where the text goes on, and whether its blanks are trimmed.
fn action(
    text: &str,
    open: usize,
    mut at: usize,
    tokens: &mut Vec<Token>,
) -> Result<(usize, bool), Wrong> {
    if text[at..].starts_with("/*") {
        return comment(text, at);
    }
    let mut push = |at: usize, kind: Kind| tokens.push(Token { at, kind });
    push(open, Kind::Open);
    loop {
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            return Err((open, "unclosed action".into()));
        };
        if rest.starts_with("}}") {
            push(at, Kind::Close);
            return Ok((at + 2, false));
        }
        if first.is_whitespace() {
            let blanks = rest.len() - rest.trim_start().len();
            if rest.trim_start().starts_with("-}}") {
                push(at, Kind::Close);
                return Ok((at + blanks + 3, true));
            }
            push(at, Kind::Space);
            at += blanks;
            continue;
        }
        let (kind, length) = word(rest, first).map_err(|what| (at, what))?;
        push(at, kind);
        at += length;
    }
}

/// `/* … */`, which may stand between trim markers.
fn comment(text: &str, at: usize) -> Result<(usize, bool), Wrong> {
    let Some(end) = text[at..].find("*/").map(|found| at + found + 2) else {
        return Err((at, "unclosed comment".into()));
    };
    let rest = &text[end..];
    if rest.starts_with("}}") {
        Ok((end + 2, false))
    } else if rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with("-}}") {
        Ok((end + rest.len() - rest.trim_start().len() + 3, true))
    } else {
        Err((at, "comment ends before closing delimiter".into()))
    }
}

/// The token that `rest` begins with, and its length in bytes.
fn word(rest: &str, first: char) -> Result<(Kind, usize), String> {
    let name_of = |text: &str| {
        let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        text[..end.unwrap_or(text.len())].to_string()
    };
    for sign in [":=", "|", "(", ")", ",", "="] {
        if rest.starts_with(sign) {
            return Ok((Kind::Sign(sign), sign.len()));
        }
    }
    match first {
        '"' | '\'' => quoted(rest, first),
        '`' => match rest[1..].find('`') {
            Some(end) => Ok((Kind::Quoted(rest[1..=end].into()), end + 2)),
            None => Err("unterminated raw quoted string".into()),
        },
        '.' if !rest[1..].starts_with(|letter: char| letter.is_ascii_digit()) => {
            let name = name_of(&rest[1..]);
            match name.is_empty() {
                true => Ok((Kind::Dot, 1)),
                false => Ok((Kind::Field(name.clone()), 1 + name.len())),
            }
        }
        '$' => {
            let name = name_of(&rest[1..]);
            Ok((Kind::Variable(format!("${name}")), 1 + name.len()))
        }
        '.' | '+' | '-' | '0'..='9' => {
            let end = rest[1..].find(|letter: char| !letter.is_alphanumeric() && letter != '.');
            let length = end.map_or(rest.len(), |end| end + 1);
            Ok((Kind::Number(rest[..length].into()), length))
        }
        _ if first.is_alphabetic() || first == '_' => {
            let name = name_of(rest);
            let length = name.len();
            Ok((Kind::Word(name), length))
        }
        _ => Err(format!(
            "unexpected bad character U+{:04X} '{first}' in command",
            first as u32
        )),
    }
}

/// A string with Go's escapes.
fn quoted(rest: &str, mark: char) -> Result<(Kind, usize), String> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\n' => break,
            '\\' => match letters.next().map(|(_, letter)| letter) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => break,
            },
            _ if letter == mark => return Ok((Kind::Quoted(text), at + 1)),
            _ => text.push(letter),
        }
    }
    Err("unterminated quoted string".into())
}

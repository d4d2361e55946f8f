//! The functions of a template: Go's own, and those that docker adds.

use std::cmp::Ordering;

use serde_json::Value;

use super::eval::Item;
use super::words::general;

const GO: [&str; 17] = [
    "and", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice",
];
const DOCKER: [&str; 8] = [
    "join", "json", "lower", "pad", "split", "title", "truncate", "upper",
];

pub fn known(name: &str) -> bool {
    GO.contains(&name) || DOCKER.contains(&name)
}

/// Calls it. In a listing's header docker's own functions give back what they got: a
/// title is not made upper case or cut.
///
/// # Errors
/// A wrong number or kind of arguments, in Go's words.
pub fn call<'a>(name: &str, arguments: &[Item<'a>], header: bool) -> Result<Item<'a>, String> {
    let least = match name {
        "print" | "println" => 0,
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "join" | "split" | "truncate" => 2,
        "pad" => 3,
        _ => 1,
    };
    if arguments.len() < least {
        let got = arguments.len();
        return Err(format!(
            "wrong number of args for {name}: want {least} got {got}"
        ));
    }
    if header && DOCKER.contains(&name) {
        return Ok(arguments[0].clone());
    }
    match name {
        // These give back one of their arguments, not a truth value.
        "and" => return Ok(chosen(arguments, false)),
        "or" => return Ok(chosen(arguments, true)),
        _ => {}
    }
    let value: Value = match name {
        "not" => (!arguments[0].truth()).into(),
        "len" => length(&arguments[0])?.into(),
        "index" => return index(arguments),
        "slice" => slice(arguments)?,
        "eq" => equal(arguments)?.into(),
        "ne" => (!equal(arguments)?).into(),
        "lt" => (order(arguments)? == Ordering::Less).into(),
        "le" => (order(arguments)? != Ordering::Greater).into(),
        "gt" => (order(arguments)? == Ordering::Greater).into(),
        "ge" => (order(arguments)? != Ordering::Less).into(),
        "print" => arguments.iter().map(Item::text).collect::<String>().into(),
        "println" => (texts(arguments).join(" ") + "\n").into(),
        "printf" => printf(&arguments[0].text(), &arguments[1..]).into(),
        "json" => serde_json::to_string(&arguments[0].value)
            .unwrap_or_default()
            .into(),
        "join" => join(arguments)?.into(),
        "split" => split(&arguments[0].text(), &arguments[1].text()),
        "lower" => arguments[0].text().to_lowercase().into(),
        "upper" => arguments[0].text().to_uppercase().into(),
        "title" => title(&arguments[0].text()).into(),
        "truncate" => {
            let length = whole(&arguments[1])?;
            arguments[0]
                .text()
                .chars()
                .take(length)
                .collect::<String>()
                .into()
        }
        "pad" => pad(arguments)?.into(),
        "html" | "js" => arguments[0].text().into(),
        _ => return Err("no such function".into()),
    };
    Ok(Item::new(value))
}

fn texts(arguments: &[Item]) -> Vec<String> {
    arguments.iter().map(Item::text).collect()
}

/// The first argument of that truth, else the last.
fn chosen<'a>(arguments: &[Item<'a>], truth: bool) -> Item<'a> {
    let found = arguments.iter().find(|item| item.truth() == truth);
    let last = arguments.last();
    found
        .or(last)
        .cloned()
        .unwrap_or_else(|| Item::new(Value::Null))
}

fn length(item: &Item) -> Result<usize, String> {
    match &*item.value {
        Value::String(text) => Ok(text.len()),
        Value::Array(values) => Ok(values.len()),
        Value::Object(members) => Ok(members.len()),
        Value::Null => Ok(0),
        other => Err(format!("len of type {}", kind(other))),
    }
}

fn index<'a>(arguments: &[Item<'a>]) -> Result<Item<'a>, String> {
    let mut item = arguments[0].clone();
    for key in &arguments[1..] {
        let found = match (&*item.value, &*key.value) {
            (Value::Array(values), _) => {
                let number = whole(key)?;
                let value = values.get(number).cloned();
                value.ok_or(format!("index out of range: {number}"))?
            }
            // A missing key gives the zero value of docker's maps of strings.
            (Value::Object(members), Value::String(key)) => match members.get(key) {
                Some(value) => value.clone(),
                None if members.values().all(Value::is_string) => "".into(),
                None => Value::Null,
            },
            (Value::Null, _) => return Err("index of untyped nil".into()),
            (other, _) => return Err(format!("can't index item of type {}", kind(other))),
        };
        item = Item::new(found);
    }
    Ok(item)
}

fn slice(arguments: &[Item]) -> Result<Value, String> {
    let from = arguments.get(1).map_or(Ok(0), whole)?;
    let end = arguments.get(2).map(whole).transpose()?;
    let out = |at: usize| format!("index out of range: {at}");
    match &*arguments[0].value {
        Value::String(text) => {
            let end = end.unwrap_or(text.len());
            let part = text.get(from..end).ok_or_else(|| out(end))?;
            Ok(part.into())
        }
        Value::Array(values) => {
            let end = end.unwrap_or(values.len());
            let part = values.get(from..end).ok_or_else(|| out(end))?;
            Ok(part.to_vec().into())
        }
        other => Err(format!("can't slice item of type {}", kind(other))),
    }
}

/// Whether the first is equal to any of the others.
fn equal(arguments: &[Item]) -> Result<bool, String> {
    let first = &arguments[0];
    for other in &arguments[1..] {
        let same = match (&*first.value, &*other.value) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (a, b) if a.is_null() || b.is_null() => a == b,
            _ => return Err("incompatible types for comparison".into()),
        };
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

fn order(arguments: &[Item]) -> Result<Ordering, String> {
    match (&*arguments[0].value, &*arguments[1].value) {
        (Value::Number(a), Value::Number(b)) => {
            let order = a.as_f64().partial_cmp(&b.as_f64());
            order.ok_or_else(|| "incompatible types for comparison".into())
        }
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        _ => Err("incompatible types for comparison".into()),
    }
}

fn join(arguments: &[Item]) -> Result<String, String> {
    let words: Vec<String> = match &*arguments[0].value {
        Value::Array(values) => values
            .iter()
            .map(|value| Item::new(value.clone()).text())
            .collect(),
        Value::Null => Vec::new(),
        other => return Err(format!("expected []string; got {}", kind(other))),
    };
    Ok(words.join(&arguments[1].text()))
}

fn split(text: &str, by: &str) -> Value {
    if by.is_empty() {
        return text.chars().map(String::from).collect::<Vec<_>>().into();
    }
    text.split(by).map(String::from).collect::<Vec<_>>().into()
}

/// The first letter of each word.
fn title(text: &str) -> String {
    let mut begins = true;
    let mut titled = String::new();
    for letter in text.chars() {
        if begins {
            titled.extend(letter.to_uppercase());
        } else {
            titled.push(letter);
        }
        begins = !letter.is_alphanumeric() && letter != '_' && letter != '\'';
    }
    titled
}

/// `pad TEXT BEFORE AFTER`; nothing around nothing.
fn pad(arguments: &[Item]) -> Result<String, String> {
    let text = arguments[0].text();
    let (before, after) = (whole(&arguments[1])?, whole(&arguments[2])?);
    if text.is_empty() {
        return Ok(text);
    }
    Ok(" ".repeat(before.min(WIDEST)) + &text + &" ".repeat(after.min(WIDEST)))
}

/// A width in a template is somebody's typing error rather than a gigabyte.
const WIDEST: usize = 10_000;

fn whole(item: &Item) -> Result<usize, String> {
    let number = item.value.as_u64();
    number.map_or_else(
        || {
            Err(format!(
                "cannot index slice/array with type {}",
                kind(&item.value)
            ))
        },
        |number| Ok(number as usize),
    )
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Go's `fmt.Sprintf`: `%s %v %d %q %t %x %f`, with width, precision, `-` and `0`.
fn printf(format: &str, arguments: &[Item]) -> String {
    let mut arguments = arguments.iter();
    let mut text = String::new();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let mut flags = String::new();
        while let Some(flag) = letters.next_if(|letter| "+-# 0123456789.".contains(*letter)) {
            flags.push(flag);
        }
        match letters.next() {
            None => text.push_str("%!(NOVERB)"),
            Some('%') => text.push('%'),
            Some(verb) => match arguments.next() {
                None => text.push_str(&format!("%!{verb}(MISSING)")),
                Some(item) => text.push_str(&padded(&flags, verb, item)),
            },
        }
    }
    text
}

fn padded(flags: &str, verb: char, item: &Item) -> String {
    let (width, precision) = flags.split_once('.').unwrap_or((flags, ""));
    let left = width.contains('-');
    let sign = width.contains('+');
    let digits = width.trim_start_matches(['-', '+', '#', ' ']);
    let zeros = digits.starts_with('0');
    let width = digits.parse::<usize>().unwrap_or(0).min(WIDEST);
    let precision = precision
        .parse::<usize>()
        .ok()
        .map(|digits| digits.min(WIDEST));
    let mut text = formatted(verb, precision, item);
    if sign && item.value.is_number() && !text.starts_with('-') {
        text.insert(0, '+');
    }
    let missing = width.saturating_sub(text.chars().count());
    match () {
        () if left => text + &" ".repeat(missing),
        () if zeros && item.value.is_number() => {
            let digits = text.trim_start_matches(['-', '+']);
            let sign = &text[..text.len() - digits.len()];
            format!("{sign}{}{digits}", "0".repeat(missing))
        }
        () => " ".repeat(missing) + &text,
    }
}

fn formatted(verb: char, precision: Option<usize>, item: &Item) -> String {
    let cut = |text: String| match precision {
        Some(digits) => text.chars().take(digits).collect(),
        None => text,
    };
    match (verb, &*item.value) {
        ('v', Value::Number(number)) if number.is_f64() => {
            general(number.as_f64().unwrap_or(0.0), 17)
        }
        ('v', _) => item.text(),
        ('s', Value::String(text)) => cut(text.clone()),
        ('s', Value::Array(_) | Value::Object(_)) => item.text(),
        ('q', Value::String(text)) => quote(text),
        ('q', Value::Array(values)) => {
            let quoted: Vec<String> = values
                .iter()
                .map(|value| quote(value.as_str().unwrap_or("")))
                .collect();
            format!("[{}]", quoted.join(" "))
        }
        ('d', Value::Number(number)) if !number.is_f64() => number.to_string(),
        ('t', Value::Bool(value)) => value.to_string(),
        ('x', Value::Number(number)) => format!("{:x}", number.as_i64().unwrap_or(0)),
        ('x', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ('f', Value::Number(number)) => {
            format!(
                "{:.*}",
                precision.unwrap_or(6),
                number.as_f64().unwrap_or(0.0)
            )
        }
        ('g', Value::Number(number)) => {
            general(number.as_f64().unwrap_or(0.0), precision.unwrap_or(17))
        }
        (verb, value) => format!("%!{verb}({}={})", kind(value), item.text()),
    }
}

/// Go's `strconv.Quote`.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            _ if letter.is_ascii_control() => {
                quoted.push_str(&format!("\\x{:02x}", letter as u32));
            }
            _ if letter.is_control() => quoted.push_str(&format!("\\u{:04x}", letter as u32)),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

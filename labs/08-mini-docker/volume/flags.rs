//! `-v`, `--mount` and `--tmpfs`, from the command line into the record.
//!
//! Only the form is checked here, as docker's client does it: whether a source exists
//! is the engine's question, in [`super::resolve()`].

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

/// What one `-v` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeFlag {
    /// `HOST-PATH:PATH[:OPTIONS]` or `NAME:PATH[:OPTIONS]`, for `HostConfig.Binds`.
    Bind(String),
    /// `PATH` alone, for `Config.Volumes`.
    Anonymous(String),
}

/// `-v`. A host path that begins with `.` is taken from where the command runs; any
/// other path without a slash at its beginning is a volume's name.
///
/// # Errors
/// The working directory cannot be read.
pub fn volume(text: &str) -> anyhow::Result<VolumeFlag> {
    let Some((source, rest)) = text.split_once(':') else {
        return Ok(VolumeFlag::Anonymous(text.into()));
    };
    let relative = source == "." || source == ".." || source.starts_with("./");
    if relative || source.starts_with("../") {
        let source = std::path::absolute(source).with_context(|| format!("-v {text}"))?;
        let source = super::mode::clean(&source.to_string_lossy());
        return Ok(VolumeFlag::Bind(format!("{source}:{rest}")));
    }
    Ok(VolumeFlag::Bind(text.into()))
}

/// `--tmpfs PATH[:OPTIONS]`, for `HostConfig.Tmpfs`: the path and its options.
pub fn tmpfs(text: &str) -> (String, String) {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    (path.into(), options.into())
}

/// `--mount type=…,source=…,target=…`, as docker's `Mount` object, for
/// `HostConfig.Mounts`.
///
/// # Errors
/// A key that is none, a value that is none, in docker's words.
pub fn mount(text: &str) -> anyhow::Result<Value> {
    mount_object(text).with_context(|| format!("invalid argument {text:?} for \"--mount\" flag"))
}

fn mount_object(text: &str) -> anyhow::Result<Value> {
    let mut mount = Map::new();
    mount.insert("Type".into(), "volume".into());
    for field in fields(text) {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), value),
            None => match field.to_lowercase().as_str() {
                key @ ("readonly" | "ro" | "volume-nocopy" | "bind-nonrecursive") => {
                    (key.to_string(), "true")
                }
                _ => bail!("invalid field '{field}' must be a key=value pair"),
            },
        };
        set(&mut mount, &field, &key, value)?;
    }
    whole(&mount)?;
    Ok(Value::Object(mount))
}

fn set(mount: &mut Map<String, Value>, field: &str, key: &str, value: &str) -> anyhow::Result<()> {
    match key {
        "type" => mount.insert("Type".into(), value.to_lowercase().into()),
        "source" | "src" => {
            // As with `-v`; what else is not absolute, the engine refuses.
            let relative = value == "." || value.starts_with("./") || value.starts_with("../");
            let source = if relative {
                super::mode::clean(&std::path::absolute(value)?.to_string_lossy())
            } else {
                value.into()
            };
            mount.insert("Source".into(), source.into())
        }
        "target" | "dst" | "destination" => mount.insert("Target".into(), value.into()),
        "readonly" | "ro" => mount.insert("ReadOnly".into(), truth(key, value)?.into()),
        "consistency" => mount.insert("Consistency".into(), value.to_lowercase().into()),
        "bind-propagation" => option(
            mount,
            "BindOptions",
            "Propagation",
            value.to_lowercase().into(),
        ),
        "bind-nonrecursive" => option(
            mount,
            "BindOptions",
            "NonRecursive",
            truth(key, value)?.into(),
        ),
        "volume-nocopy" => option(mount, "VolumeOptions", "NoCopy", truth(key, value)?.into()),
        "volume-label" => pair(mount, "Labels", value),
        "volume-driver" => driver(mount, "Name", value.into()),
        "volume-opt" => {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            let mut options = object(mount, &["VolumeOptions", "DriverConfig", "Options"]);
            options.insert(name.into(), value.into());
            driver(mount, "Options", Value::Object(options))
        }
        "tmpfs-size" => {
            let Some(bytes) = super::mode::bytes(value) else {
                bail!("invalid value for {key}: {value}");
            };
            option(mount, "TmpfsOptions", "SizeBytes", bytes.into())
        }
        "tmpfs-mode" => {
            let Ok(mode) = u32::from_str_radix(value, 8) else {
                bail!("invalid value for {key}: {value}");
            };
            option(mount, "TmpfsOptions", "Mode", mode.into())
        }
        _ => bail!("unexpected key '{key}' in '{field}'"),
    };
    Ok(())
}

/// What docker's client checks when it has read all keys.
fn whole(mount: &Map<String, Value>) -> anyhow::Result<()> {
    let kind = mount
        .get("Type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if mount
        .get("Target")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .is_empty()
    {
        bail!("target is required");
    }
    for (options, of) in [
        ("VolumeOptions", "volume"),
        ("BindOptions", "bind"),
        ("TmpfsOptions", "tmpfs"),
    ] {
        if mount.contains_key(options) && kind != of {
            bail!("cannot mix '{of}-*' options with mount type '{kind}'");
        }
    }
    Ok(())
}

fn truth(key: &str, value: &str) -> anyhow::Result<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => bail!("invalid value for {key}: {value}"),
    }
}

fn option(
    mount: &mut Map<String, Value>,
    options: &str,
    name: &str,
    value: Value,
) -> Option<Value> {
    let mut object = object(mount, &[options]);
    object.insert(name.into(), value);
    mount.insert(options.into(), Value::Object(object))
}

fn driver(mount: &mut Map<String, Value>, name: &str, value: Value) -> Option<Value> {
    let mut driver = object(mount, &["VolumeOptions", "DriverConfig"]);
    driver.insert(name.into(), value);
    option(
        mount,
        "VolumeOptions",
        "DriverConfig",
        Value::Object(driver),
    )
}

fn pair(mount: &mut Map<String, Value>, name: &str, value: &str) -> Option<Value> {
    let (key, value) = value.split_once('=').unwrap_or((value, ""));
    let mut labels = object(mount, &["VolumeOptions", name]);
    labels.insert(key.into(), value.into());
    option(mount, "VolumeOptions", name, Value::Object(labels))
}

/// The object at that path, or an empty one.
fn object(mount: &Map<String, Value>, path: &[&str]) -> Map<String, Value> {
    let mut found = json!(mount);
    for name in path {
        found = found.get(*name).cloned().unwrap_or_default();
    }
    found.as_object().cloned().unwrap_or_default()
}

/// Fields between commas; one with a comma in it stands in quotes, as in CSV.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => {
                if let Some(field) = fields.last_mut() {
                    field.push(letter);
                }
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_is_anonymous_and_a_dot_is_the_working_directory() {
        let here = std::env::current_dir().unwrap();
        let here = here.to_str().unwrap();
        assert_eq!(
            volume("/data").unwrap(),
            VolumeFlag::Anonymous("/data".into())
        );
        let bind = VolumeFlag::Bind(format!("{here}/x:/y:ro"));
        assert_eq!(volume("./x:/y:ro").unwrap(), bind);
        assert_eq!(volume("db:/y").unwrap(), VolumeFlag::Bind("db:/y".into()));
    }

    #[test]
    fn mount_has_dockers_object() {
        let text =
            r#"type=volume,src=v,dst=/d,ro,volume-opt=type=tmpfs,"volume-opt=o=size=1m,mode=700""#;
        let expected = json!({
            "Type": "volume", "Source": "v", "Target": "/d", "ReadOnly": true,
            "VolumeOptions": {"DriverConfig": {"Options": {"type": "tmpfs", "o": "size=1m,mode=700"}}},
        });
        assert_eq!(mount(text).unwrap(), expected);
        let tmpfs = mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap();
        assert_eq!(
            tmpfs["TmpfsOptions"],
            json!({"SizeBytes": 1_048_576, "Mode": 0o1770})
        );
    }

    #[test]
    fn what_is_wrong_has_dockers_words() {
        for (text, what) in [
            ("src=a", "target is required"),
            ("foo", "invalid field 'foo' must be a key=value pair"),
            ("x=y", "unexpected key 'x' in 'x=y'"),
            ("dst=/b,readonly=foo", "invalid value for readonly: foo"),
            (
                "type=tmpfs,dst=/b,tmpfs-mode=9",
                "invalid value for tmpfs-mode: 9",
            ),
            (
                "dst=/b,bind-propagation=rslave",
                "cannot mix 'bind-*' options with mount type 'volume'",
            ),
        ] {
            let error = format!("{:#}", mount(text).unwrap_err());
            assert_eq!(
                error,
                format!("invalid argument \"{text}\" for \"--mount\" flag: {what}")
            );
        }
    }
}

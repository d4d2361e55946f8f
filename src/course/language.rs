//! Which translation of a text is read.
//!
//! Every text for people has room for a translation beside it: `README.fr.md`
//! beside `README.md`, `hints.fr.yaml` beside `hints.yaml`. Where there is
//! none, the English one is read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A language by its two- or three-letter code (ISO 639): `en`, `fr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language(String);

impl Default for Language {
    fn default() -> Self {
        Self("en".into())
    }
}

impl Language {
    /// From `TP_LANG`, else from the locale (`LC_ALL`, `LC_MESSAGES`, `LANG`).
    pub fn from_env() -> Self {
        ["TP_LANG", "LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty())
            .map_or_else(Self::default, |value| Self::parse(&value))
    }

    /// `fr_FR.UTF-8` is `fr`; `C`, `POSIX` and nonsense are `en`.
    pub fn parse(locale: &str) -> Self {
        let code = locale
            .split(['_', '.', '@', '-'])
            .next()
            .unwrap_or_default();
        let known = (2..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphabetic());
        if known {
            Self(code.to_ascii_lowercase())
        } else {
            Self::default()
        }
    }

    pub fn code(&self) -> &str {
        &self.0
    }

    /// The translation beside `path` where there is one, else `path` itself.
    pub fn pick(&self, path: &Path) -> PathBuf {
        if self.0 == "en" {
            return path.to_path_buf();
        }
        let translated = self.beside(path);
        if translated.is_file() {
            translated
        } else {
            path.to_path_buf()
        }
    }

    /// Where the translation of `path` belongs, whether it is there or not.
    pub fn beside(&self, path: &Path) -> PathBuf {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        path.with_extension(format!("{}.{extension}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_its_language() {
        for (locale, code) in [
            ("fr_FR.UTF-8", "fr"),
            ("fr", "fr"),
            ("C", "en"),
            ("C.UTF-8", "en"),
            ("POSIX", "en"),
            ("../../etc", "en"),
        ] {
            assert_eq!(Language::parse(locale).code(), code, "{locale}");
        }
    }

    #[test]
    fn a_translation_lies_beside_its_original() {
        let french = Language::parse("fr");
        assert_eq!(
            french.beside(Path::new("a/README.md")),
            Path::new("a/README.fr.md")
        );
        assert_eq!(
            french.pick(Path::new("/nowhere/README.md")),
            Path::new("/nowhere/README.md")
        );
    }
}

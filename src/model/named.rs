//! Enums of which each variant has one text: in files, in JSON, and for people.

/// Defines such an enum. Behind `serialized`, it stands as its text in JSON, and a schema lists the texts.
macro_rules! named {
    (@ $(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$about])* $variant,)* }

        #[allow(dead_code, reason = "not every enum is listed, or read from a text")]
        impl $name {
            /// Every one, in order.
            $vis const ALL: &'static [$name] = &[$($name::$variant),*];

            /// Its text.
            $vis const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The one that a text stands for.
            $vis fn from_text(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }
    };
    (serialized $(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $crate::model::named::named! { @
            $(#[$meta])*
            #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
            $vis enum $name { $($(#[$about])* #[serde(rename = $text)] $variant = $text,)* }
        }
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $crate::model::named::named! { @
            $(#[$meta])*
            $vis enum $name { $($(#[$about])* #[doc = concat!("`", $text, "`")] $variant = $text,)* }
        }
    };
}

pub(crate) use named;

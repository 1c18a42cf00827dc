//! The macros behind "one definition per event". Must not know any particular id, enum or event.

/// Defines id newtypes: non-empty strings with a bounded length and no control characters.
macro_rules! ids {
    ($( $(#[doc = $doc:tt])* $name:ident : $kind:ident; )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
            #[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
            #[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
            pub struct $name(String);

            impl $name {
                /// The id as text.
                #[must_use]
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl TryFrom<String> for $name {
                type Error = $crate::id::MalformedId;

                fn try_from(text: String) -> Result<Self, Self::Error> {
                    if $crate::id::is_valid($crate::spec::Kind::$kind, text.as_bytes()) {
                        Ok(Self(text))
                    } else {
                        Err($crate::id::MalformedId)
                    }
                }
            }

            impl core::str::FromStr for $name {
                type Err = $crate::id::MalformedId;

                fn from_str(text: &str) -> Result<Self, Self::Err> {
                    Self::try_from(String::from(text))
                }
            }

            impl From<$name> for String {
                fn from(id: $name) -> Self {
                    id.0
                }
            }

            impl AsRef<str> for $name {
                fn as_ref(&self) -> &str {
                    &self.0
                }
            }

            impl core::fmt::Display for $name {
                fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl $crate::spec::FieldType for $name {
                const KIND: $crate::spec::Kind = $crate::spec::Kind::$kind;
            }
        )*


        #[cfg(feature = "typescript")]
        pub(crate) const DECLARATIONS: &[&str] = &[$(<$name as tsify::Tsify>::DECL,)*];
    };
}

/// Defines closed enums: strings on the wire, variants in Rust.
macro_rules! closed_enums {
    ($( $(#[doc = $doc:tt])* $name:ident { $( $(#[doc = $vdoc:tt])* $variant:ident = $text:tt, )* } )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
            #[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
            pub enum $name {
                $( $(#[doc = $vdoc])* #[cfg_attr(feature = "serde", serde(rename = $text))] $variant, )*
            }

            impl $name {
                /// The strings and their name, for the parser.
                pub const SPEC: &'static $crate::spec::EnumSpec =
                    &$crate::spec::EnumSpec::new(stringify!($name), &[$($text,)*]);

                /// Every variant, in order.
                pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

                /// The string on the wire.
                #[must_use]
                pub fn as_str(self) -> &'static str {
                    const TEXTS: &[&str] = &[$($text,)*];
                    TEXTS[self as usize]
                }
            }

            impl core::str::FromStr for $name {
                type Err = $crate::enums::NotInEnum;

                fn from_str(text: &str) -> Result<Self, Self::Err> {
                    let position = Self::SPEC.values.iter().position(|value| *value == text);
                    match position.and_then(|position| Self::ALL.get(position)) {
                        Some(variant) => Ok(*variant),
                        None => Err($crate::enums::NotInEnum(Self::SPEC)),
                    }
                }
            }

            impl core::fmt::Display for $name {
                fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    f.write_str(self.as_str())
                }
            }

            impl $crate::spec::FieldType for $name {
                const KIND: $crate::spec::Kind = $crate::spec::Kind::Enum(Self::SPEC);
            }
        )*

        #[cfg(feature = "typescript")]
        pub(crate) const DECLARATIONS: &[&str] = &[$(<$name as tsify::Tsify>::DECL,)*];
    };
}

/// Defines objects of the catalogue. `field: Type = "wireName" | "alias";` is required, `field?: Type = ..;`
/// optional. Yields the struct with its serde (and tsify) derives, a constructor from the required fields, one
/// setter per optional field, and the parser's table.
macro_rules! payloads {
    // One field at a time, so that required and optional ones can go different ways. The lists are: struct
    // fields, required, optional, initialisers of the optional ones, table rows.
    (@fields $head:tt [$($field:tt)*] [$($req:tt)*] [$($opt:tt)*] [$($row:tt)*]
        $(#[doc = $doc:tt])* $name:ident ? : $ty:ident $(<$arg:ident>)? = $json:tt $(| $alias:tt)*; $($rest:tt)*
    ) => {
        payloads! { @fields $head
            [$($field)*
                $(#[doc = $doc])*
                #[cfg_attr(feature = "serde", serde(
                    rename = $json $(, alias = $alias)*, default, skip_serializing_if = "Option::is_none",
                    deserialize_with = "crate::spec::present"
                ))]
                pub $name: Option<$ty $(<$arg>)?>,
            ]
            [$($req)*]
            [$($opt)* { [$(#[doc = $doc])*] $name [$ty $(<$arg>)?] }]
            [$($row)*
                $crate::spec::FieldSpec::optional($json, <$ty $(<$arg>)? as $crate::spec::FieldType>::KIND)
                    .with_aliases(&[$($alias,)*]).with_doc(concat!($($doc, "\n",)*)),
            ]
            $($rest)*
        }
    };
    (@fields $head:tt [$($field:tt)*] [$($req:tt)*] [$($opt:tt)*] [$($row:tt)*]
        $(#[doc = $doc:tt])* $name:ident : $ty:ident $(<$arg:ident>)? = $json:tt $(| $alias:tt)*; $($rest:tt)*
    ) => {
        payloads! { @fields $head
            [$($field)*
                $(#[doc = $doc])*
                #[cfg_attr(feature = "serde", serde(rename = $json $(, alias = $alias)*))]
                pub $name: $ty $(<$arg>)?,
            ]
            [$($req)* { $name [$ty $(<$arg>)?] }]
            [$($opt)*]
            [$($row)*
                $crate::spec::FieldSpec::required($json, <$ty $(<$arg>)? as $crate::spec::FieldType>::KIND)
                    .with_aliases(&[$($alias,)*]).with_doc(concat!($($doc, "\n",)*)),
            ]
            $($rest)*
        }
    };
    (@fields { [$($doc:tt)*] $name:ident [$($ignored:tt)*] } [$($field:tt)*]
        [$({ $req:ident [$($req_ty:tt)*] })*]
        [$({ [$(#[doc = $opt_doc:tt])*] $opt:ident [$($opt_ty:tt)*] })*]
        [$($row:tt)*]
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
        pub struct $name {
            $($field)*
            /// Fields this version does not know, kept as they came.
            #[cfg_attr(feature = "serde", serde(flatten))]
            pub extra: $crate::spec::JsonObject,
        }

        impl $name {
            /// From the required fields; set the optional ones afterwards.
            #[must_use]
            pub fn new($($req: impl Into<$($req_ty)*>),*) -> Self {
                Self {
                    $($req: $req.into(),)*
                    $($opt: None,)*
                    extra: $crate::spec::JsonObject::default(),
                }
            }

            $(
                #[doc = concat!("Sets `", stringify!($opt), "`:", $($opt_doc),*)]
                #[must_use]
                pub fn $opt(mut self, $opt: impl Into<$($opt_ty)*>) -> Self {
                    self.$opt = Some($opt.into());
                    self
                }
            )*
        }

        impl $crate::spec::ObjectType for $name {
            const SPEC: &'static $crate::spec::StructSpec = &$crate::spec::StructSpec::new(
                stringify!($name),
                &[$($row)*],
            )
            .with_ignored(&[$($ignored,)*])
            .with_doc(concat!($($doc, "\n",)*));

            fn extra_mut(&mut self) -> &mut $crate::spec::JsonObject {
                &mut self.extra
            }
        }

        impl $crate::spec::FieldType for $name {
            const KIND: $crate::spec::Kind =
                $crate::spec::Kind::Struct(<Self as $crate::spec::ObjectType>::SPEC);
        }
    };
    ($( $(#[doc = $doc:tt])* $name:ident $(ignoring [$($ignored:tt)*])? { $($body:tt)* } )*) => {
        $(payloads! { @fields { [$($doc)*] $name [$($($ignored)*)?] } [] [] [] [] $($body)* })*

        #[cfg(feature = "typescript")]
        pub(crate) const DECLARATIONS: &[&str] = &[$(<$name as tsify::Tsify>::DECL,)*];
    };
}

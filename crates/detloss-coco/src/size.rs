//! How large an object is.

/// COCO's three sizes. An area on a border, which COCO counts twice, is of the larger size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// Below 32² pixels.
    Small,
    /// Below 96² pixels.
    Medium,
    /// The others.
    Large,
}

impl Size {
    /// All three, the smallest first.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// The size of an object of this area in pixels.
    pub fn of(area: f64) -> Self {
        match area {
            ..1024.0 => Self::Small,
            ..9216.0 => Self::Medium,
            _ => Self::Large,
        }
    }

    /// Its name, in lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

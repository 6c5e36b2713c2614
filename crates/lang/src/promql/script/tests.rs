//! What scripts mean, by scripts that pass, fail, or cannot be read.

use super::*;

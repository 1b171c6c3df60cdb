//! Letters of labels: small ones where Latin-1 has them all, and GNU Unifont, which knows the scripts of the world, for all others.

use std::borrow::Cow;

use embedded_graphics::mono_font::iso_8859_1::{FONT_5X8, FONT_7X13};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::text::{Baseline, Text};
use unicode_width::UnicodeWidthChar;
use unifont::Glyph;

use crate::text::visible;

/// Height of a letter of Unifont.
const HEIGHT: u32 = 16;

/// A label that is ready to be drawn.
pub(super) struct Label<'a> {
    words: Cow<'a, str>,
    /// None for Unifont.
    font: Option<&'static MonoFont<'static>>,
}

impl<'a> Label<'a> {
    /// A label in small letters or in larger ones. It is one line, whatever it has in it.
    pub(super) fn new(words: &'a str, is_small: bool) -> Self {
        let words = visible(words);
        let is_latin = words.chars().all(|letter| u32::from(letter) < 0x100);
        let font = if is_small { &FONT_5X8 } else { &FONT_7X13 };
        Self { words, font: is_latin.then_some(font) }
    }

    pub(super) fn size(&self) -> Size {
        match self.font {
            Some(font) => {
                let count = self.words.chars().count() as u32;
                Size::new(count * font.character_size.width, font.character_size.height)
            }
            None => Size::new(self.places().map(|(end, _)| end).last().unwrap_or(0), HEIGHT),
        }
    }

    pub(super) fn draw<T: DrawTarget<Color = Rgb888>>(
        &self,
        at: Point,
        ink: Rgb888,
        on: &mut T,
    ) -> Result<(), T::Error> {
        if let Some(font) = self.font {
            let style = MonoTextStyle::new(font, ink);
            return Text::with_baseline(&self.words, at, style, Baseline::Top).draw(on).map(drop);
        }
        for (end, glyph) in self.places() {
            let left = end as i32 - glyph.get_width() as i32;
            let bits =
                (0..HEIGHT as usize).flat_map(|y| (0..glyph.get_width()).map(move |x| (x, y)));
            let inked = bits.filter(|&(x, y)| glyph.get_pixel(x, y));
            on.draw_iter(
                inked.map(|(x, y)| Pixel(at + Point::new(left + x as i32, y as i32), ink)),
            )?;
        }
        Ok(())
    }

    /// The glyphs of Unifont, each with the place where it ends. A mark stands over the letter before it.
    fn places(&self) -> impl Iterator<Item = (u32, &'static Glyph)> {
        let mut end = 0;
        self.words.chars().filter_map(move |letter| {
            let unknown = || unifont::get_glyph(char::REPLACEMENT_CHARACTER);
            let glyph = unifont::get_glyph(letter).or_else(unknown)?;
            let wide = glyph.get_width() as u32;
            match letter.width() {
                // Joiners have a picture of a box in Unifont.
                Some(0) if matches!(letter, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}') => {
                    None
                }
                Some(0) if end >= wide => Some((end, glyph)),
                _ => {
                    end += wide;
                    Some((end, glyph))
                }
            }
        })
    }
}

//! Tiles of the Bing Maps tile system: the Mercator map cut into squares, twice as many a side with each zoom level.
//!
//! # Source
//! <https://learn.microsoft.com/en-us/bingmaps/articles/bing-maps-tile-system>; which tiles are around a place and in
//! which order they come is as Trino's `BingTileFunctions` have it.

mod around;
mod cover;

use std::f64::consts::PI;
use std::sync::Arc;

use arrow::array::builder::FixedSizeBinaryBuilder;
use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, Int32Array, ListArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::error::Result;
use geo::{Coord, Geometry, LineString, Polygon, Rect};

use super::shape::Shape;
use super::{Call, text_of};
use crate::presto::functions::call::{Double, Int, Output, Reader, Text, invalid};
use crate::presto::opaque::{BING_TILE, BingTile};

const TILE_PIXELS: u32 = 256;
const MAX_ZOOM: u8 = 23;
const MAX_LATITUDE: f64 = 85.051_128_78;
const MAX_LONGITUDE: f64 = 180.0;
/// The most tiles that one call returns.
const MAX_TILES: u64 = 1_000_000;

/// Reads tiles.
struct Tile;

impl Reader for Tile {
    type Item<'a> = BingTile;
    type Array = FixedSizeBinaryArray;
    fn value(array: &Self::Array, row: usize) -> BingTile {
        BingTile::decode(array.value(row))
    }
}

impl Output for BingTile {
    fn collect(
        rows: usize,
        mut next: impl FnMut(usize) -> Result<Option<Self>>,
    ) -> Result<ArrayRef> {
        let mut tiles = FixedSizeBinaryBuilder::with_capacity(rows, 8);
        for row in 0..rows {
            match next(row)? {
                Some(tile) => tiles.append_value(tile.encode())?,
                None => tiles.append_null(),
            }
        }
        Ok(Arc::new(tiles.finish()))
    }
}

impl Output for Vec<BingTile> {
    fn collect(
        rows: usize,
        mut next: impl FnMut(usize) -> Result<Option<Self>>,
    ) -> Result<ArrayRef> {
        let mut tiles = FixedSizeBinaryBuilder::new(8);
        let (mut lengths, mut valid) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for row in 0..rows {
            let found = next(row)?;
            valid.push(found.is_some());
            let found = found.unwrap_or_default();
            lengths.push(found.len());
            for tile in found {
                tiles.append_value(tile.encode())?;
            }
        }
        let item = Arc::new(Field::new_list_field(BING_TILE, true));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let nulls = Some(NullBuffer::from(valid));
        let lists = ListArray::try_new(item, offsets, Arc::new(tiles.finish()), nulls)?;
        Ok(Arc::new(lists))
    }
}

/// The type of lists of tiles.
pub(super) fn tiles_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(BING_TILE, true)))
}

/// `row(x integer, y integer)`.
pub(super) fn coordinates_type() -> DataType {
    DataType::Struct(coordinate_fields())
}

fn coordinate_fields() -> Fields {
    ["x", "y"]
        .map(|name| Field::new(name, DataType::Int32, true))
        .to_vec()
        .into()
}

/// `bing_tile(quadkey)`, `bing_tile(x, y, zoom)`.
pub(super) fn tile(call: &Call) -> Result<ArrayRef> {
    if call.len() == 1 {
        return call.map1::<Text, BingTile>(|key| of_quadkey(key).map(Some));
    }
    call.map3::<Int, Int, Int, BingTile>(|x, y, zoom| {
        let zoom = zoom_of(zoom)?;
        let end = 1_u32 << zoom;
        let coordinate = |at: i32| u32::try_from(at).ok().filter(|at| *at < end);
        match (coordinate(x), coordinate(y)) {
            (Some(x), Some(y)) => Ok(Some(BingTile { x, y, zoom })),
            _ => Err(invalid(format!(
                "XY coordinates for a Bing tile at zoom level {zoom} must be within [0, {end}) range"
            ))),
        }
    })
}

/// `bing_tile_at(latitude, longitude, zoom)`.
pub(super) fn tile_at(call: &Call) -> Result<ArrayRef> {
    call.map3::<Double, Double, Int, BingTile>(|latitude, longitude, zoom| {
        check(latitude, longitude)?;
        Ok(Some(at(latitude, longitude, zoom_of(zoom)?)))
    })
}

/// `bing_tiles_around(latitude, longitude, zoom)`, and with a radius in kilometres.
pub(super) fn tiles_around(call: &Call) -> Result<ArrayRef> {
    if call.len() == 3 {
        return call.map3::<Double, Double, Int, Vec<BingTile>>(|latitude, longitude, zoom| {
            check(latitude, longitude)?;
            Ok(Some(around::neighbours(at(
                latitude,
                longitude,
                zoom_of(zoom)?,
            ))))
        });
    }
    call.build::<Vec<BingTile>>(|row| {
        let (Some(latitude), Some(longitude), Some(zoom), Some(radius)) = (
            call.get::<Double>(0, row),
            call.get::<Double>(1, row),
            call.get::<Int>(2, row),
            call.get::<Double>(3, row),
        ) else {
            return Ok(None);
        };
        check(latitude, longitude)?;
        around::within(latitude, longitude, zoom_of(zoom)?, radius).map(Some)
    })
}

/// `geometry_to_bing_tiles(geometry, zoom)`.
pub(super) fn tiles_of_geometry(call: &Call) -> Result<ArrayRef> {
    call.map2::<Text, Int, Vec<BingTile>>(|text, zoom| {
        let zoom = zoom_of(zoom)?;
        cover::tiles(&Shape::parse(text)?, zoom).map(Some)
    })
}

/// `bing_tile_coordinates(tile)`.
pub(super) fn coordinates(call: &Call) -> Result<ArrayRef> {
    let tiles = call.view::<Tile>(0)?;
    let rows: Vec<Option<usize>> = (0..call.rows).map(|row| tiles.row(row)).collect();
    let tiles = call.array(0)?;
    let tiles = tiles.as_any().downcast_ref::<FixedSizeBinaryArray>();
    let column = |of: fn(BingTile) -> u32| -> ArrayRef {
        let values = rows.iter().map(|row| {
            let tile = BingTile::decode(tiles?.value((*row)?));
            i32::try_from(of(tile)).ok()
        });
        Arc::new(values.collect::<Int32Array>())
    };
    let nulls = NullBuffer::from_iter(rows.iter().map(Option::is_some));
    let columns = vec![column(|tile| tile.x), column(|tile| tile.y)];
    let rows = StructArray::try_new(coordinate_fields(), columns, Some(nulls))?;
    Ok(Arc::new(rows))
}

/// `bing_tile_zoom_level(tile)`.
pub(super) fn zoom_level(call: &Call) -> Result<ArrayRef> {
    call.map1::<Tile, i8>(|tile| Ok(i8::try_from(tile.zoom).ok()))
}

/// `bing_tile_quadkey(tile)`: a digit for each level, which quarter of the square above it is.
pub(super) fn quadkey(call: &Call) -> Result<ArrayRef> {
    call.map1::<Tile, String>(|tile| {
        let digits = (0..tile.zoom).rev().map(|level| {
            let (right, lower) = (tile.x >> level & 1, tile.y >> level & 1);
            char::from(b'0' + u8::from(right == 1) + 2 * u8::from(lower == 1))
        });
        Ok(Some(digits.collect()))
    })
}

/// `bing_tile_polygon(tile)`.
pub(super) fn polygon(call: &Call) -> Result<ArrayRef> {
    call.map1::<Tile, String>(|tile| {
        let polygon = polygon_of(envelope(tile));
        Ok(Some(text_of(&Shape::from(Geometry::Polygon(polygon)))))
    })
}

fn polygon_of(envelope: Rect<f64>) -> Polygon<f64> {
    let (low, high) = (envelope.min(), envelope.max());
    let corners = vec![
        (low.x, low.y),
        (high.x, low.y),
        (high.x, high.y),
        (low.x, high.y),
    ];
    Polygon::new(LineString::from(corners), Vec::new())
}

fn of_quadkey(key: &str) -> Result<BingTile> {
    if key.is_empty() {
        return Err(invalid("QuadKey must not be empty string"));
    }
    let zoom = u8::try_from(key.len())
        .ok()
        .filter(|zoom| *zoom <= MAX_ZOOM)
        .ok_or_else(|| invalid("QuadKey must be 23 characters or less"))?;
    let (mut x, mut y) = (0, 0);
    for digit in key.chars() {
        let quarter = digit
            .to_digit(4)
            .ok_or_else(|| invalid(format!("Invalid QuadKey digit sequence: {key}")))?;
        (x, y) = (x << 1 | quarter & 1, y << 1 | quarter >> 1);
    }
    Ok(BingTile { x, y, zoom })
}

fn zoom_of(zoom: i32) -> Result<u8> {
    if zoom <= 0 {
        return Err(invalid("Zoom level must be > 0"));
    }
    let zoom = u8::try_from(zoom).ok().filter(|zoom| *zoom <= MAX_ZOOM);
    zoom.ok_or_else(|| invalid("Zoom level must be <= 23"))
}

fn check(latitude: f64, longitude: f64) -> Result<()> {
    if !(-MAX_LATITUDE..=MAX_LATITUDE).contains(&latitude) {
        return Err(invalid(
            "Latitude must be between -85.05112878 and 85.05112878",
        ));
    }
    if !(-MAX_LONGITUDE..=MAX_LONGITUDE).contains(&longitude) {
        return Err(invalid("Longitude must be between -180.0 and 180.0"));
    }
    Ok(())
}

/// Returns the pixels along a side of the map.
fn map_pixels(zoom: u8) -> u32 {
    TILE_PIXELS << zoom
}

fn at(latitude: f64, longitude: f64, zoom: u8) -> BingTile {
    let sine = (latitude * PI / 180.0).sin();
    let down = 0.5 - ((1.0 + sine) / (1.0 - sine)).ln() / (4.0 * PI);
    let right = (longitude + 180.0) / 360.0;
    let pixels = f64::from(map_pixels(zoom));
    // Truncated to the pixel that the place is on.
    let tile = |fraction: f64| (fraction * pixels).clamp(0.0, pixels - 1.0) as u32 / TILE_PIXELS;
    BingTile {
        x: tile(right),
        y: tile(down),
        zoom,
    }
}

/// Returns the place of the upper left corner of what would be a tile: longitude and latitude.
fn corner(x: u32, y: u32, zoom: u8) -> Coord<f64> {
    let pixels = f64::from(map_pixels(zoom));
    let fraction =
        |tile: u32| (f64::from(tile) * f64::from(TILE_PIXELS)).clamp(0.0, pixels) / pixels;
    let (right, up) = (fraction(x) - 0.5, 0.5 - fraction(y));
    Coord {
        x: 360.0 * right,
        y: 90.0 - 360.0 * (-up * 2.0 * PI).exp().atan() / PI,
    }
}

fn envelope(tile: BingTile) -> Rect<f64> {
    Rect::new(
        corner(tile.x, tile.y, tile.zoom),
        corner(tile.x + 1, tile.y + 1, tile.zoom),
    )
}

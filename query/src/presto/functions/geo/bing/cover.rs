//! Tiles that cover a geometry.

use datafusion::error::Result;
use geo::{BoundingRect as _, CoordsIter as _, Geometry, Intersects as _, Rect, Relate as _};

use super::{MAX_LATITUDE, MAX_LONGITUDE, MAX_TILES, at, corner, envelope, polygon_of};
use crate::presto::functions::call::invalid;
use crate::presto::functions::geo::shape::Shape;
use crate::presto::opaque::BingTile;

/// Up to this level each tile is looked at; beyond, squares of it are cut until they are within or without.
const PLAIN_ZOOM: u8 = 10;
/// The most tiles times points of the geometry that are looked at.
const MAX_WORK: u64 = 25_000_000;

/// Returns the tiles that the geometry touches, column by column within each tile of the [`PLAIN_ZOOM`].
pub(super) fn tiles(shape: &Shape, zoom: u8) -> Result<Vec<BingTile>> {
    let Some((geometry, bounds)) = shape
        .0
        .as_ref()
        .and_then(|geometry| Some((geometry, geometry.bounding_rect()?)))
    else {
        return Ok(Vec::new());
    };
    let (low, high) = (bounds.min(), bounds.max());
    if low.y < -MAX_LATITUDE || high.y > MAX_LATITUDE {
        return Err(invalid(
            "Latitude span for the geometry must be in [-85.05, 85.05] range",
        ));
    }
    if low.x < -MAX_LONGITUDE || high.x > MAX_LONGITUDE {
        return Err(invalid(
            "Longitude span for the geometry must be in [-180.00, 180.00] range",
        ));
    }
    let first = at(high.y, low.x, zoom);
    let last = lower_right(bounds, zoom);
    let is_full = is_point_or_rectangle(geometry, bounds);
    let count = u64::from(last.x - first.x + 1) * u64::from(last.y - first.y + 1);
    check(geometry, bounds, is_full, count, zoom)?;

    let mut found = Vec::new();
    if is_full || zoom <= PLAIN_ZOOM {
        for x in first.x..=last.x {
            for y in first.y..=last.y {
                let tile = BingTile { x, y, zoom };
                if is_full || geometry.intersects(&envelope(tile)) {
                    found.push(tile);
                }
            }
        }
        return Ok(found);
    }
    let levels = zoom - PLAIN_ZOOM;
    for x in first.x >> levels..=last.x >> levels {
        for y in first.y >> levels..=last.y >> levels {
            let zoom = PLAIN_ZOOM;
            cut(geometry, BingTile { x, y, zoom }, levels, &mut found);
        }
    }
    Ok(found)
}

/// Appends the tiles, so many levels below, that the geometry touches.
fn cut(geometry: &Geometry<f64>, square: BingTile, levels: u8, found: &mut Vec<BingTile>) {
    let bounds = envelope(square);
    if !geometry.intersects(&bounds) {
        return;
    }
    if levels == 0 {
        found.push(square);
        return;
    }
    let is_within = geometry
        .relate(&Geometry::Polygon(polygon_of(bounds)))
        .is_contains();
    let step = if is_within { levels } else { 1 };
    let part = |at: u32| at << step..(at + 1) << step;
    for x in part(square.x) {
        for y in part(square.y) {
            let zoom = square.zoom + step;
            let tile = BingTile { x, y, zoom };
            if is_within {
                found.push(tile);
            } else {
                cut(geometry, tile, levels - 1, found);
            }
        }
    }
}

/// Returns the tile of the lower right corner; one that is only touched there is not meant.
fn lower_right(bounds: Rect<f64>, zoom: u8) -> BingTile {
    let (x, y) = (bounds.max().x, bounds.min().y);
    let mut tile = at(y, x, zoom);
    let upper_left = corner(tile.x, tile.y, zoom);
    if upper_left.x == x {
        tile.x = tile.x.saturating_sub(1);
    }
    if upper_left.y == y {
        tile.y = tile.y.saturating_sub(1);
    }
    tile
}

fn is_point_or_rectangle(geometry: &Geometry<f64>, bounds: Rect<f64>) -> bool {
    match geometry {
        Geometry::Point(_) => true,
        Geometry::Polygon(polygon) => {
            let corners = polygon_of(bounds);
            polygon.interiors().is_empty()
                && polygon.exterior().0.len() == 5
                && corners
                    .exterior_coords_iter()
                    .all(|corner| polygon.exterior().0.contains(&corner))
        }
        _ => false,
    }
}

fn check(
    geometry: &Geometry<f64>,
    bounds: Rect<f64>,
    is_full: bool,
    count: u64,
    zoom: u8,
) -> Result<()> {
    if is_full {
        if count <= MAX_TILES {
            return Ok(());
        }
        let (low, high) = (bounds.min(), bounds.max());
        return Err(invalid(format!(
            "The number of tiles covering input rectangle exceeds the limit of 1M. Number of tiles: {count}. \
             Rectangle: xMin={:.2}, yMin={:.2}, xMax={:.2}, yMax={:.2}. Zoom level: {zoom}.",
            low.x, low.y, high.x, high.y
        )));
    }
    if i32::try_from(count).is_err() {
        return Err(invalid(
            "The zoom level is too high to compute a set of covering Bing tiles.",
        ));
    }
    let points = u64::try_from(geometry.coords_count()).unwrap_or(u64::MAX);
    if count.saturating_mul(points) > MAX_WORK {
        return Err(invalid(
            "The zoom level is too high or the geometry is too complex to compute a set of covering Bing tiles. \
             Please use a lower zoom level or convert the geometry to its bounding box using the ST_Envelope \
             function.",
        ));
    }
    Ok(())
}

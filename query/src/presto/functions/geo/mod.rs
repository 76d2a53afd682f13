//! Geometries in the plane and on the sphere.

mod bing;
mod geojson;
mod measures;
mod parts;
mod relations;
mod shape;
mod sphere;

use arrow::array::ArrayRef;
use datafusion::error::Result;

use self::shape::Shape;
use super::call::{Call, Double, Memo, Output, Text, invalid};
use super::scalar::Entry;

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("bing_tile", bing::tile),
    Entry::new("bing_tile_at", bing::tile_at),
    Entry::new("bing_tile_coordinates", bing::coordinates)
        .returning(|_| Ok(bing::coordinates_type())),
    Entry::new("bing_tile_polygon", bing::polygon),
    Entry::new("bing_tile_quadkey", bing::quadkey),
    Entry::new("bing_tile_zoom_level", bing::zoom_level),
    Entry::new("bing_tiles_around", bing::tiles_around).returning(|_| Ok(bing::tiles_type())),
    Entry::new("from_geojson_geometry", geojson::from_geojson_geometry),
    Entry::new("geometry_to_bing_tiles", bing::tiles_of_geometry)
        .returning(|_| Ok(bing::tiles_type())),
    Entry::new("great_circle_distance", sphere::great_circle_distance),
    Entry::new("line_interpolate_point", measures::line_interpolate_point),
    Entry::new("line_locate_point", measures::line_locate_point),
    Entry::new("simplify_geometry", measures::simplify_geometry),
    Entry::new("st_area", measures::area),
    Entry::new("st_asbinary", parts::as_binary),
    Entry::new("st_astext", parts::as_text),
    Entry::new("st_boundary", parts::boundary),
    Entry::new("st_buffer", measures::buffer),
    Entry::new("st_centroid", measures::centroid),
    Entry::new("st_contains", relations::contains),
    Entry::new("st_convexhull", measures::convex_hull),
    Entry::new("st_coorddim", parts::coordinate_dimension),
    Entry::new("st_crosses", relations::crosses),
    Entry::new("st_difference", relations::difference),
    Entry::new("st_dimension", parts::dimension),
    Entry::new("st_disjoint", relations::disjoint),
    Entry::new("st_distance", measures::distance),
    Entry::new("st_endpoint", parts::end_point),
    Entry::new("st_envelope", measures::envelope),
    Entry::new("st_equals", relations::equals),
    Entry::new("st_exteriorring", parts::exterior_ring),
    Entry::new("st_geometryfromtext", |call| {
        from_text(call, "ST_GeometryFromText", &[])
    }),
    Entry::new("st_geometryn", parts::geometry_n),
    Entry::new("st_geometrytype", parts::geometry_type),
    Entry::new("st_interiorringn", parts::interior_ring_n),
    Entry::new("st_intersection", relations::intersection),
    Entry::new("st_intersects", relations::intersects),
    Entry::new("st_isclosed", parts::is_closed),
    Entry::new("st_isempty", parts::is_empty),
    Entry::new("st_isvalid", parts::is_valid),
    Entry::new("st_length", measures::length),
    Entry::new("st_linefromtext", |call| {
        from_text(call, "ST_LineFromText", &["LINE_STRING"])
    }),
    Entry::new("st_numgeometries", parts::num_geometries),
    Entry::new("st_numinteriorring", parts::num_interior_ring),
    Entry::new("st_numpoints", parts::num_points),
    Entry::new("st_overlaps", relations::overlaps),
    Entry::new("st_point", point),
    Entry::new("st_pointn", parts::point_n),
    Entry::new("st_polygon", |call| {
        from_text(call, "ST_Polygon", &["POLYGON"])
    }),
    Entry::new("st_relate", relations::relate),
    Entry::new("st_startpoint", parts::start_point),
    Entry::new("st_symdifference", relations::symmetric_difference),
    Entry::new("st_touches", relations::touches),
    Entry::new("st_union", relations::union),
    Entry::new("st_within", relations::within),
    Entry::new("st_x", parts::x),
    Entry::new("st_xmax", |call| {
        parts::bound(call, |bounds| bounds.max().x)
    }),
    Entry::new("st_xmin", |call| {
        parts::bound(call, |bounds| bounds.min().x)
    }),
    Entry::new("st_y", parts::y),
    Entry::new("st_ymax", |call| {
        parts::bound(call, |bounds| bounds.max().y)
    }),
    Entry::new("st_ymin", |call| {
        parts::bound(call, |bounds| bounds.min().y)
    }),
    Entry::new("to_geojson_geometry", geojson::to_geojson_geometry),
    Entry::new("to_geometry", parts::as_text),
    Entry::new("to_spherical_geography", sphere::to_spherical_geography),
];

/// Applies `f` to the first argument.
fn of_shape<O: Output>(
    call: &Call,
    mut f: impl FnMut(&Shape) -> Result<Option<O>>,
) -> Result<ArrayRef> {
    let mut shapes = Memo::new();
    call.map1::<Text, O>(|text| f(shapes.get(text, Shape::parse)?))
}

/// Applies `f` to the first two arguments.
fn of_shapes<O: Output>(
    call: &Call,
    mut f: impl FnMut(&Shape, &Shape) -> Result<Option<O>>,
) -> Result<ArrayRef> {
    let (mut left, mut right) = (Memo::new(), Memo::new());
    call.map2::<Text, Text, O>(|a, b| f(left.get(a, Shape::parse)?, right.get(b, Shape::parse)?))
}

/// Returns a shape's text, for the result.
fn text_of(shape: &Shape) -> String {
    let mut out = String::new();
    shape.write(&mut out);
    out
}

/// Makes a shape of the first argument.
fn to_shape(call: &Call, mut f: impl FnMut(&Shape) -> Result<Option<Shape>>) -> Result<ArrayRef> {
    of_shape::<String>(call, |shape| Ok(f(shape)?.as_ref().map(text_of)))
}

/// `ST_Point(x, y)`.
fn point(call: &Call) -> Result<ArrayRef> {
    call.map2::<Double, Double, String>(|x, y| {
        if !x.is_finite() || !y.is_finite() {
            return Err(invalid("Point coordinates must be finite"));
        }
        let shape = Shape::from(geo::Geometry::Point(geo::Point::new(x, y)));
        Ok(Some(text_of(&shape)))
    })
}

fn from_text(call: &Call, function: &str, types: &[&str]) -> Result<ArrayRef> {
    to_shape(call, |shape| {
        if !types.is_empty() {
            shape.require(function, types)?;
        }
        Ok(Some(shape.clone()))
    })
}

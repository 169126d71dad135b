//! Which solids a ray of a bundle may meet, by where it crosses a rectangle.

/// Cells along each side.
const SIDE: usize = 48;

/// A rectangle cut into cells, each with a list of solids.
pub struct Grid {
    low: [f32; 2],
    /// Cells per unit of length.
    scale: [f32; 2],
    cells: Vec<Vec<u16>>,
}

impl Grid {
    /// Without solids, over the rectangle from `low` to `high`.
    pub fn new(low: [f32; 2], high: [f32; 2]) -> Self {
        let scale = |i| SIDE as f32 / f32::max(high[i] - low[i], 1e-6);
        Self {
            low,
            scale: [scale(0), scale(1)],
            cells: vec![Vec::new(); SIDE * SIDE],
        }
    }

    /// With these solids, each within its rectangle, over all of them.
    pub fn around(solids: impl Iterator<Item = (u16, [f32; 2], [f32; 2])>) -> Self {
        let solids: Vec<_> = solids.collect();
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for (_, l, h) in &solids {
            low = [low[0].min(l[0]), low[1].min(l[1])];
            high = [high[0].max(h[0]), high[1].max(h[1])];
        }
        let mut grid = Self::new(low, high);
        for (solid, low, high) in solids {
            grid.add(solid, low, high);
        }
        grid
    }

    /// Adds a solid that is within `[low, high]`.
    pub fn add(&mut self, solid: u16, low: [f32; 2], high: [f32; 2]) {
        let range = |i: usize| {
            let cell = |x: f32| (x - self.low[i]) * self.scale[i];
            let (a, b) = (cell(low[i]), cell(high[i]));
            // Casts round down and saturate; a range that ends before it begins is empty.
            (a.max(0.0) as usize)..((b + 1.0).max(0.0) as usize).min(SIDE)
        };
        let columns = range(0);
        for y in range(1) {
            for x in columns.clone() {
                self.cells[y * SIDE + x].push(solid);
            }
        }
    }

    /// The solids that may be met at (x, y).
    pub fn at(&self, x: f32, y: f32) -> &[u16] {
        let (x, y) = (
            (x - self.low[0]) * self.scale[0],
            (y - self.low[1]) * self.scale[1],
        );
        if x < 0.0 || y < 0.0 || x >= SIDE as f32 || y >= SIDE as f32 {
            return &[];
        }
        &self.cells[y as usize * SIDE + x as usize]
    }
}

//! The ledger and its shards made again from their images, in the midst of a sequence. What goes on with them is compared
//! with the model as before, and the ledger as it was goes on beside.

use super::*;

/// The blocks of a ledger's image.
pub fn image(ledger: &mut Ledger) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    write_image(&ledger.snapshot(), &mut |block| blocks.push(block));
    blocks
}

/// The same when all that may leave has left for a store.
pub fn image_beside_store(ledger: &mut Ledger) -> Vec<Vec<u8>> {
    let (mut blocks, mut was) = (Vec::new(), ledger.snapshot());
    let gone = was.departures(Date(ledger.date().0 - 4), Timestamp::default());
    write_image(&was.without(&gone, &mut || ()), &mut |block| blocks.push(block));
    blocks
}

/// What a restore makes of images.
pub fn restored(mut restore: Restore, images: &[(u16, &[Vec<u8>])], of: u16) -> Result<Ledger, ImageError> {
    for (source, blocks) in images {
        restore.begin(*source, of)?;
        for block in *blocks {
            restore.take(block)?;
        }
        restore.end()?;
    }
    restore.finish()
}

/// Shards of any number out of shards of another.
fn spread(from: &mut [Ledger], shards: u16) -> Vec<Ledger> {
    let images: Vec<Vec<Vec<u8>>> = from.iter_mut().map(image).collect();
    let of = from.len() as u16;
    let one = |shard: u16| {
        let all = (0..).zip(images.iter().map(Vec::as_slice));
        let needed: Vec<_> = all.filter(|&(source, _)| of != shards || source == shard).collect();
        restored(Restore::new(shard, shards, 11), &needed, of).unwrap()
    };
    (0..shards).map(one).collect()
}

fn joined(from: &mut [Ledger]) -> Ledger {
    let images: Vec<Vec<Vec<u8>>> = from.iter_mut().map(image).collect();
    let all: Vec<_> = (0..).zip(images.iter().map(Vec::as_slice)).collect();
    restored(Restore::alone(13), &all, from.len() as u16).unwrap()
}

impl Pair {
    /// Makes the ledger again from its image, and as many shards: from the shards, or from the one ledger.
    pub fn restore(&mut self, shards: u16, from_one: bool) -> Differ {
        let blocks = image(&mut self.ledger);
        let again = restored(Restore::alone(12), &[(0, &blocks)], 1).unwrap();
        agree!(again.digest(), self.digest, "the digest of a ledger that was made again");
        let mut original = std::mem::replace(&mut self.ledger, again);
        agree!(image(&mut self.ledger), blocks, "the image of a ledger that was made again");
        let Some((twin, Shards(old))) = &mut self.others else { return self.viewed() };
        let new = match from_one {
            true => spread(std::slice::from_mut(&mut original), shards),
            false => spread(old, shards),
        };
        let digests = |of: &[Ledger]| of.iter().map(Ledger::digest).collect::<Vec<_>>();
        if !from_one && new.len() == old.len() {
            agree!(digests(&new), digests(old), "the digests of shards that were made again");
        }
        *twin = Twin::of(original);
        *old = new;
        agree!(joined(old).digest(), self.digest, "the digest of all shards made one");
        self.viewed()?;
        self.viewed_on_shards()
    }
}

/// Runs of white space (`\s`, the property White_Space).
enum WhiteSpace {
    /// Where the run that begins at `index` ends; `index` itself where there is none.
    static func end(_ bytes: UnsafePointer<UInt8>, from index: Int, to limit: Int) -> Int {
        CharacterClass.withTable { classes in
            var position = index
            while position < limit {
                let (scalar, count) = UTF8Decoding.scalar(bytes, position)
                guard classes.of(scalar) == CharacterClass.space else { break }
                position += count
            }
            return position
        }
    }

    /// Where the run that ends before `index` begins; `index` itself where there is none.
    static func start(_ bytes: UnsafePointer<UInt8>, before index: Int, from limit: Int) -> Int {
        CharacterClass.withTable { classes in
            var position = index
            while position > limit {
                let (scalar, count) = UTF8Decoding.scalarBefore(bytes, position, from: limit)
                guard classes.of(scalar) == CharacterClass.space else { break }
                position -= count
            }
            return position
        }
    }
}

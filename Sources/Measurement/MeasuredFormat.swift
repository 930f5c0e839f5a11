package import QuantFormats
package import System

/// A way of storing the base that is measured: a format, whether its scales are quantized too, and a block size.
package struct MeasuredFormat: Sendable, Hashable {
    /// nil is the model as it is.
    package let format: QuantFormat?
    package let isDoubleQuantized: Bool
    /// nil for the model as it is, which has no blocks.
    package let blockSize: Int?

    /// The model as it is: what the others are compared with.
    package static let none = MeasuredFormat(format: nil, isDoubleQuantized: false, blockSize: nil)

    private init(format: QuantFormat?, isDoubleQuantized: Bool, blockSize: Int?) {
        self.format = format
        self.isDoubleQuantized = isDoubleQuantized
        self.blockSize = blockSize
    }

    /// `none`, `nf4`, `nf4+dq`, ….
    package var name: String { (format?.name ?? "none") + (isDoubleQuantized ? "+dq" : "") }

    /// `none`, `nf4+dq 64`, ….
    package var label: String { name + (blockSize.map { " \($0)" } ?? "") }

    /// Every format with every block size, in the order given and without repetitions; `none` comes first, given or not.
    ///
    /// - Parameters:
    ///   - names: of formats; `+dq` behind one quantizes its scales too.
    ///   - blockSizes: as `quantize` takes them.
    /// - Throws: `Failure` of kind `usage` for a name or a size that does not exist.
    package static func all(named names: [String], blockSizes: [Int]) throws(Failure) -> [MeasuredFormat] {
        for size in blockSizes where !QuantFormat.blockSizes.contains(size) {
            throw Failure(
                .usage, "--block-sizes names \(size), which is not supported",
                remedy: "Choose among \(QuantFormat.blockSizes.map(String.init).joined(separator: ", "))")
        }
        var result = [none]
        for name in names where name != "none" {
            let base = name.hasSuffix("+dq") ? String(name.dropLast(3)) : name
            guard let format = QuantFormats.named(base) else { throw unknown(name) }
            guard base == name || format.canDoubleQuantize else { throw unknown(name) }
            for size in blockSizes {
                let one = MeasuredFormat(format: format, isDoubleQuantized: base != name, blockSize: size)
                if !result.contains(one) { result.append(one) }
            }
        }
        return result
    }

    private static func unknown(_ name: String) -> Failure {
        let known = QuantFormats.all.flatMap { $0.canDoubleQuantize ? [$0.name, "\($0.name)+dq"] : [$0.name] }
        return Failure(
            .usage, "--formats names \"\(name)\", which does not exist",
            remedy: "Choose among \((["none"] + known).joined(separator: ", "))")
    }

    package static func == (left: MeasuredFormat, right: MeasuredFormat) -> Bool {
        left.name == right.name && left.blockSize == right.blockSize
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(blockSize)
    }
}

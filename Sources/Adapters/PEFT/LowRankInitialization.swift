internal import System
internal import Tensors

extension AdapterSet {
    /// Fills the set as PEFT initialises a LoRA adapter after `torch.manual_seed(seed)`, bit for bit: A uniform within
    /// 1 / sqrt(K) (Kaiming with a = sqrt(5)), B zero.
    ///
    /// The generator runs over the entries in their order, which must be that of the model's modules. For each, the
    /// draws of the two layers' own initialisation are thrown away before those of A, as in PEFT. Costs 2 ns a draw.
    ///
    /// Ranks of single modules enter as they are in the entries.
    package func initialize(seed: UInt64) {
        var generator = MersenneTwister(seed: seed)
        for (index, entry) in entries.enumerated() {
            generator.skip(entry.countA + entry.countB)
            let slope = 5.0.squareRoot()
            let gain = (2 / (1 + slope * slope)).squareRoot()
            let bound = 3.0.squareRoot() * (gain / Double(entry.site.inputs).squareRoot())
            let a = matrixA(index)
            generator.fillUniform(UnsafeMutableBufferPointer(start: a.base, count: a.count), bound: bound)
            matrixB(index).zero()
        }
    }
}

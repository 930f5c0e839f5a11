package import CIntrinsics
internal import KernelsPortable

#if arch(x86_64)
internal import KernelsAVX2
internal import KernelsAVX512
internal import KernelsAVX512BF16
#endif

/// The entry points of one instruction set. Single entries can be replaced in a copy, to see what a broken kernel does.
package struct KernelTable: Sendable {
    package let instructionSet: InstructionSet
    package var products: qk_product_kernels
    package var elementwise: qk_elementwise_kernels
    package var quantizers: qk_quantizer_kernels
    package var planes: qk_plane_kernels

    /// The table of a set; the caller has checked that the processor supports it.
    package init(_ set: InstructionSet) {
        var products = qk_product_kernels()
        var elementwise = qk_elementwise_kernels()
        var quantizers = qk_quantizer_kernels()
        var planes = qk_plane_kernels()
        switch set {
        case .portable:
            KernelsPortable.fillProductKernels(&products)
            KernelsPortable.fillElementwiseKernels(&elementwise)
            KernelsPortable.fillQuantizerKernels(&quantizers)
            KernelsPortable.fillPlaneKernels(&planes)
        #if arch(x86_64)
        case .avx2:
            KernelsAVX2.fillProductKernels(&products)
            KernelsAVX2.fillElementwiseKernels(&elementwise)
            KernelsAVX2.fillQuantizerKernels(&quantizers)
            KernelsAVX2.fillPlaneKernels(&planes)
        case .avx512:
            KernelsAVX512.fillProductKernels(&products)
            KernelsAVX512.fillElementwiseKernels(&elementwise)
            KernelsAVX512.fillQuantizerKernels(&quantizers)
            KernelsAVX512.fillPlaneKernels(&planes)
        case .avx512bf16:
            KernelsAVX512BF16.fillProductKernels(&products)
            KernelsAVX512BF16.fillElementwiseKernels(&elementwise)
            KernelsAVX512BF16.fillQuantizerKernels(&quantizers)
            KernelsAVX512BF16.fillPlaneKernels(&planes)
        #else
        case .avx2, .avx512, .avx512bf16:
            fatalError("the instruction set \(set.rawValue) does not exist on this architecture")
        #endif
        }
        instructionSet = set
        self.products = products
        self.elementwise = elementwise
        self.quantizers = quantizers
        self.planes = planes
    }
}

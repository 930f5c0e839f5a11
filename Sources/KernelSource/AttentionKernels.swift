internal import CIntrinsics

/// Fills in attention over whole sequences: each entry in the type that the task asks for.
func fillAttentionKernels(_ table: UnsafeMutablePointer<qk_elementwise_kernels>) {
    table.pointee.attention_pack_keys = { keys in
        #if ISA_AVX512BF16
        if keys.pointee.bfloat16 != 0 { return packAttentionKeys(BFloat16Arithmetic.self, keys) }
        #endif
        packAttentionKeys(Float32Arithmetic.self, keys)
    }
    table.pointee.attention_forward_begin = { task in
        #if ISA_AVX512BF16
        if task.pointee.bfloat16 != 0 { return beginAttentionForward(BFloat16Arithmetic.self, task) }
        #endif
        beginAttentionForward(Float32Arithmetic.self, task)
    }
    table.pointee.attention_forward_keys = { task, firstKey, packed in
        #if ISA_AVX512BF16
        if task.pointee.bfloat16 != 0 { return attentionForwardKeys(BFloat16Arithmetic.self, task, firstKey, packed) }
        #endif
        attentionForwardKeys(Float32Arithmetic.self, task, firstKey, packed)
    }
    table.pointee.attention_forward_end = endAttentionForward
    table.pointee.attention_backward_begin = { task in
        #if ISA_AVX512BF16
        if task.pointee.bfloat16 != 0 { return beginAttentionBackward(BFloat16Arithmetic.self, task) }
        #endif
        beginAttentionBackward(Float32Arithmetic.self, task)
    }
    table.pointee.attention_backward_keys = { task, firstKey, packed in
        #if ISA_AVX512BF16
        if task.pointee.bfloat16 != 0 { return attentionBackwardKeys(BFloat16Arithmetic.self, task, firstKey, packed) }
        #endif
        attentionBackwardKeys(Float32Arithmetic.self, task, firstKey, packed)
    }
    table.pointee.attention_backward_sums = { task, firstKey, sums, begins in
        #if ISA_AVX512BF16
        if task.pointee.bfloat16 != 0 {
            return addAttentionSums(BFloat16Arithmetic.self, task, firstKey, sums, begins)
        }
        #endif
        addAttentionSums(Float32Arithmetic.self, task, firstKey, sums, begins)
    }
    table.pointee.attention_backward_end = endAttentionBackward
    table.pointee.attention_unpack_sums = unpackAttentionSums
}

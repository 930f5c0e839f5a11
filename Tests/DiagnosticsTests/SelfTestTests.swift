import CIntrinsics
import Diagnostics
import Kernels
import TestSupport
import Testing

/// The self-test of `doctor`: right kernels pass it, a wrong one of any kind fails it.
@Suite struct SelfTestTests {
    private static let pool = WorkerPool(threadCount: 2)

    @Test("Every kernel of this machine passes, well within the tolerances", arguments: InstructionSet.supported)
    func passes(set: InstructionSet) throws {
        let test = SelfTest(KernelTable(set), pool: Self.pool)
        #expect(test.isPassed, "\(test.failures)")
        #expect(test.checks.count == Self.checkCount(set))
        let worst = try #require(test.worst)
        #expect(test.checks.allSatisfy { $0.share <= worst.share })
    }

    /// Products of twelve storages (forward, gradient, few rows; gathered rows once), groups of products, thin ones,
    /// attention, everything elementwise, activations, quantizers of four formats, byte planes.
    private static func checkCount(_ set: InstructionSet) -> Int {
        12 * (set.hasBFloat16Products ? 6 : 3) + 12 + (set.hasBFloat16Products ? 7 : 3) + 3
            + (set.hasBFloat16Products ? 18 : 10) + 17 + 21 + 8 + 1
    }

    /// A kernel broken in one way, and words of the checks that must notice.
    struct Damage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let breaks: @Sendable (inout KernelTable) -> Void
    }

    private static let right = KernelTable(.portable)

    private static let damages: [Damage] = [
        Damage(testDescription: "product") { table in
            table.products.product = { task in
                right.products.product(task)
                guard let task, let y = task.pointee.y, task.pointee.gradient == 0 else { return }
                y.assumingMemoryBound(to: Float.self)[Int(task.pointee.first_output)] *= 1.001
            }
        },
        Damage(testDescription: "gradient of the product") { table in
            table.products.product = { task in
                right.products.product(task)
                guard let task, let y = task.pointee.y, task.pointee.gradient == 1 else { return }
                y.assumingMemoryBound(to: Float.self)[Int(task.pointee.first_output)] = .nan
            }
        },
        Damage(testDescription: "product of few rows") { table in
            table.products.few_rows = { _ in }
        },
        Damage(testDescription: "rows") { table in
            table.products.unpack_row = { weight, row, output in
                right.products.unpack_row(weight, row, output)
                output?[0] += 1
            }
        },
        Damage(testDescription: "attention") { table in
            table.elementwise.attention_forward_end = { task in
                right.elementwise.attention_forward_end(task)
                task.pointee.out[0] += 0.01
            }
        },
        Damage(testDescription: "gradient of attention") { table in
            table.elementwise.attention_unpack_sums = { sums, rows, width, dK, dKStride, dV, dVStride in
                right.elementwise.attention_unpack_sums(sums, rows, width, dK, dKStride, dV, dVStride)
                dK[1] += 0.01
            }
        },
        Damage(testDescription: "attention over a cache") { table in
            table.elementwise.attention_join = { _, _, _, width, out in
                for index in 0..<Int(width) { out[index] = 0 }
            }
        },
        Damage(testDescription: "RMSNorm") { table in
            table.elementwise.rms_norm = { x, weight, epsilon, y, columns in
                right.elementwise.rms_norm(x, weight, epsilon + 0.01, y, columns)
            }
        },
        Damage(testDescription: "gradient of RMSNorm") { table in
            table.elementwise.rms_norm_backward = { dY, x, weight, reciprocal, dX, adding, columns in
                right.elementwise.rms_norm_backward(dY, x, weight, reciprocal * 1.0001, dX, adding, columns)
            }
        },
        Damage(testDescription: "sum of squares") { table in
            table.elementwise.sum_of_squares = { x, count in right.elementwise.sum_of_squares(x, count - 1) }
        },
        Damage(testDescription: "SiLU, gated") { table in
            table.elementwise.activate = { row, out in
                var row = row.pointee
                row.count -= 1
                right.elementwise.activate(&row, out)
            }
        },
        Damage(testDescription: "gradient of SiLU, gated") { table in
            table.elementwise.activate_backward = { row, dOut, dGate, dUp in
                right.elementwise.activate_backward(row, dOut, dUp ?? dGate, dUp == nil ? nil : dGate)
            }
        },
        Damage(testDescription: "rotation of positions") { table in
            table.elementwise.rotate = { x, heads, width, rotaryWidth, cosines, sines, sign in
                right.elementwise.rotate(x, heads, width, rotaryWidth, cosines, sines, -sign)
            }
        },
        Damage(testDescription: "rotation of neighbours") { table in
            table.elementwise.rotate_pairs = { x, heads, width, rotaryWidth, cosines, sines, sign in
                right.elementwise.rotate(x, heads, width, rotaryWidth, cosines, sines, sign)
            }
        },
        Damage(testDescription: "LayerNorm") { table in
            table.elementwise.layer_norm = { x, weight, _, epsilon, y, columns in
                right.elementwise.layer_norm(x, weight, nil, epsilon, y, columns)
            }
        },
        Damage(testDescription: "gradient of LayerNorm") { table in
            table.elementwise.layer_norm_backward = { dY, x, weight, reciprocal, dX, adding, columns in
                right.elementwise.rms_norm_backward(dY, x, weight, reciprocal, dX, adding, columns)
            }
        },
        Damage(testDescription: "GELU") { table in
            table.elementwise.activate = { row, out in
                var row = row.pointee
                row.activation = Int32(QK_GELU_TANH)
                right.elementwise.activate(&row, out)
            }
        },
        Damage(testDescription: "gradient of GELU by tanh") { table in
            table.elementwise.activate_backward = { row, dOut, dGate, dUp in
                var row = row.pointee
                row.activation = Int32(QK_GELU)
                right.elementwise.activate_backward(&row, dOut, dGate, dUp)
            }
        },
        Damage(testDescription: "SiLU, gated, kept in bfloat16") { table in
            table.elementwise.activate = { row, out in
                right.elementwise.activate(row, out)
                if row.pointee.narrow != 0 { out[0] += 1 }
            }
        },
        Damage(testDescription: "cap of logits") { table in
            table.elementwise.soft_cap = { x, cap, y, count in right.elementwise.soft_cap(x, cap * 1.001, y, count) }
        },
        Damage(testDescription: "gradient of cross entropy, capped") { table in
            table.elementwise.cross_entropy = { logits, count, label, scale, writes, _ in
                right.elementwise.cross_entropy(logits, count, label, scale, writes, 0)
            }
        },
        Damage(testDescription: "product with a low-rank term and a bias") { table in
            table.products.product = { task in
                guard let task else { return }
                var copy = task.pointee
                copy.bias = nil
                right.products.product(&copy)
            }
        },
        Damage(testDescription: "thin product") { table in
            table.products.thin_product = { task in
                guard let task else { return }
                var copy = task.pointee
                copy.length -= 1
                right.products.thin_product(&copy)
            }
        },
        Damage(testDescription: "outer product") { table in
            table.products.outer_product = { task in
                guard let task else { return }
                var copy = task.pointee
                copy.rows -= 1
                right.products.outer_product(&copy)
            }
        },
        Damage(testDescription: "transposed factor") { table in
            table.products.transpose = { from, stride, rows, columns, to, toStride in
                right.products.transpose(from, stride, rows, columns, to, toStride)
                to?[1] += 1
            }
        },
        Damage(testDescription: "cross entropy") { table in
            table.elementwise.cross_entropy = { logits, count, label, scale, writes, softCap in
                right.elementwise.cross_entropy(logits, count, label, scale, writes, softCap) * 1.0001
            }
        },
        Damage(testDescription: "gradient of cross entropy") { table in
            table.elementwise.cross_entropy = { logits, count, label, scale, writes, softCap in
                right.elementwise.cross_entropy(logits, count, label, scale * 1.001, writes, softCap)
            }
        },
        Damage(testDescription: "parameters of AdamW") { table in
            table.elementwise.adamw = { parameters, gradients, first, second, count, step in
                right.elementwise.adamw(parameters, gradients, first, second, count, step)
                parameters[3] += 0.001
            }
        },
        Damage(testDescription: "quantizer nf4") { table in
            table.quantizers.quantize_table4 = { source, values, codes, absmax in
                let bad = right.quantizers.quantize_table4(source, values, codes, absmax)
                codes[5] ^= 1
                return bad
            }
        },
        Damage(testDescription: "quantizer int8") { table in
            table.quantizers.quantize_signed8 = { source, codes, scales in
                let bad = right.quantizers.quantize_signed8(source, codes, scales)
                codes[5] ^= 1
                return bad
            }
        },
        Damage(testDescription: "errors of int8") { table in
            table.quantizers.measure_signed8 = { source, codes, scales, sums in
                right.quantizers.measure_signed8(source, codes, scales, sums)
                sums.pointee.squared_error *= 1.01
            }
        },
        Damage(testDescription: "byte planes") { table in
            table.planes.split_rotated = { floats, count, planes, stride in
                let largest = right.planes.split_rotated(floats, count, planes, stride)
                planes[Int(stride)] ^= 1
                return largest
            }
        },
    ]

    @Test("A broken kernel is noticed, by the checks of its kind alone", arguments: damages)
    func notices(damage: Damage) {
        var table = KernelTable(.portable)
        damage.breaks(&table)
        let test = SelfTest(table, pool: Self.pool)
        #expect(!test.isPassed)
        #expect(test.failures.contains { $0.name.hasPrefix(damage.testDescription) })
        #expect(test.worst?.isPassed == false)
    }
}

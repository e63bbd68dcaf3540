/// xorshift64*, which generates the same cases in every run.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(_ seed: Int) { state = 0x9E37_79B9_7F4A_7C15 &+ UInt64(seed) &* 0x1000_0001 }

    package mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

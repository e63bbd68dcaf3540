/// Letters to insert, remove, replace or swap with their neighbours, so that one word becomes another (optimal string
/// alignment). Takes time by the product of the lengths; callers bound them.
func editDistance(_ from: some Collection<UInt8>, _ to: some Collection<UInt8>) -> Int {
    let (a, b) = (Array(from), Array(to))
    var table = [Array(0...b.count)]
    for i in a.indices {
        var line = [i + 1]
        for j in b.indices {
            var best = min(table[i][j + 1] + 1, line[j] + 1, table[i][j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, table[i - 1][j - 1] + 1) }
            line.append(best)
        }
        table.append(line)
    }
    return table[a.count][b.count]
}

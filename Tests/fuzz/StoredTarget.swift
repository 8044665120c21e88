@testable import Caching
@testable import Catalog

/// What lies in stores that others can write: copies of entries in DragonflyDB, records, refusals, keys. What is read is whole,
/// and written it is the same.
@Sendable func fuzzStored(_ bytes: [UInt8]) {
    var choices = Choices(bytes)
    switch choices.next() % 4 {
    case 0: copy(Array(choices.rest))
    case 1: sealed(&choices)
    case 2: record(Array(choices.rest))
    default: small(Array(choices.rest))
    }
}

private func copy(_ bytes: [UInt8]) {
    guard let copy = bytes.withUnsafeBytes({ StoredCopy($0) }) else { return }
    var written: [UInt8] = []
    copy.append(to: &written)
    expect(written == bytes && copy.size == bytes.count, "a copy is its bytes")
}

/// A copy with a right checksum, which no fuzzer guesses, and one bit of it changed.
private func sealed(_ choices: inout Choices) {
    let (place, bit, epoch) = (Int(choices.next()) << 8 | Int(choices.next()), choices.next() & 7, Int64(choices.next()))
    let value = Array(choices.rest)
    let times = value.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) }
    let copy = StoredCopy(
        entry: Entry(value: value, version: times ^ epoch, storedAt: ~times, expiresAt: times), epoch: epoch,
        copyEpoch: .max - UInt64(epoch), key: StoredCopy.hash(of: value, in: .temp))
    var written: [UInt8] = []
    copy.append(to: &written)
    expect(written.withUnsafeBytes { StoredCopy($0) } == copy, "a copy reads back")
    expect(written.dropLast().withUnsafeBytes { StoredCopy($0) } == nil, "a copy that was cut is none")
    written[place % written.count] ^= 1 << bit
    expect(written.withUnsafeBytes { StoredCopy($0) } == nil, "a copy with a bit changed is none")
}

private func record(_ bytes: [UInt8]) {
    expect((Record(encoded: bytes) == nil) || Record.tag(ofEncoded: bytes) != nil, "a record has a tag")
    guard let record = Record(encoded: bytes) else { return }
    expect(Record(encoded: record.encoded) == record, "a record reads back")
    expect(zip(record.linkPlaces, record.linkPlaces.dropFirst()).allSatisfy(<), "link places ascend")
    let lacking = RemovedFields(storedIn: bytes, nil)
    expect(lacking.map { $0.filled(record).body.count >= record.body.count } ?? true, "what a record lacks is added to it")
    for base in [LinkBase(""), LinkBase("https://music.example"), LinkBase("https://music.example", isBare: true)] {
        let plain = record.body(linkedTo: base)
        let most = record.body.count + record.linkPlaces.count * base.origin.utf8.count
        expect(plain.count <= most, "links add their origin and nothing else")
        _ = record.body(linkedTo: base, naming: (name: "market", value: "SE"))
    }
}

private func small(_ bytes: [UInt8]) {
    if let refusal = NegativeEntry(encoded: bytes) {
        expect(NegativeEntry(encoded: refusal.encoded) == refusal, "a refusal reads back")
        expect((400...599).contains(refusal.status), "a refusal has a status")
    }
    if let resource = Resource(cacheKey: bytes) { expect(resource.cacheKey.count <= 512, "a key fits") }
}

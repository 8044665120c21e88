import Glibc

/// One program for all targets: libFuzzer calls `LLVMFuzzerTestOneInput` with each input, and `FUZZ_TARGET` names who gets it.
///
/// A target asks more of a parser than that it lives: it `expect`s what must hold of every input. What does not hold ends the process,
/// and libFuzzer keeps the input.
private let targets: [String: @Sendable ([UInt8]) -> Void] = [
    "answers": fuzzAnswers, "cookies": fuzzCookies, "csv": fuzzCSV, "fastcgi": fuzzFastCGI, "json": fuzzJSON, "links": fuzzLinks,
    "resp": fuzzRESP, "settings": fuzzSettings, "stored": fuzzStored, "tokens": fuzzTokens,
]

private let chosen: @Sendable ([UInt8]) -> Void = {
    guard let name = getenv("FUZZ_TARGET").map({ String(cString: $0) }), let target = targets[name] else {
        print("FUZZ_TARGET is to be one of \(targets.keys.sorted().joined(separator: ", ")).")
        exit(64)
    }
    return target
}()

/// Every so many inputs a line says what the process holds; none without `FUZZ_REPORT`.
private let reportedEvery = getenv("FUZZ_REPORT").flatMap { Int(String(cString: $0)) } ?? 0

/// `nonisolated(unsafe)`: libFuzzer calls from one thread.
nonisolated(unsafe) private var inputs = 0

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    chosen(Array(UnsafeBufferPointer(start: start, count: count)))
    inputs += 1
    if reportedEvery > 0, inputs % reportedEvery == 0 { report() }
    return 0
}

/// Ends the process where something does not hold that must.
func expect(_ holds: Bool, _ rule: @autoclosure () -> String, line: UInt = #line, file: StaticString = #fileID) {
    guard !holds else { return }
    fatalError("broken rule: \(rule())", file: file, line: line)
}

/// Memory that is the process's own and in use, in KiB (proc(5), RssAnon), and open descriptors.
private func report() {
    guard let status = fopen("/proc/self/status", "r") else { return }
    defer { fclose(status) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, CInt(line.count), status) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard text.hasPrefix("RssAnon:") else { continue }
        let kibibytes = text.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first ?? "?"
        print("held: inputs=\(inputs) RssAnon=\(kibibytes) KiB descriptors=\(descriptors())")
        fflush(nil)
    }
}

private func descriptors() -> Int {
    guard let folder = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    return count - 3  // `.`, `..` and this look itself
}

/// What a target takes from the front of an input to decide with.
struct Choices {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func next() -> UInt8 { rest.popFirst() ?? 0 }
}

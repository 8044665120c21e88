import FastCGI
import Platform

@testable import Gateway

/// Settings, a line each: the first byte chooses which, the rest is the value. An error names the setting and never a secret.
@Sendable func fuzzSettings(_ bytes: [UInt8]) {
    var environment: [String: String] = [:]
    for line in bytes.split(separator: UInt8(ascii: "\n")).prefix(12) {
        guard let first = line.first else { continue }
        let name = SettingName.allCases[Int(first) % SettingName.allCases.count]
        environment[name.rawValue] = String(decoding: line.dropFirst(), as: UTF8.self)
        single(environment[name.rawValue] ?? "")
    }
    // Who types the word is told what was typed.
    guard !environment.values.contains(where: { $0.contains("hush") }) else { return }
    // A secret may be malformed, too: what is made of the rest of it is never said.
    for name in secrets {
        guard let value = environment[name.rawValue], !value.isEmpty else { continue }
        environment[name.rawValue] = value.utf8.count.isMultiple(of: 2) ? "hush-hush-hush\(value)" : "\(value)hush-hush-hush"
    }
    do throws(SettingErrors) {
        let settings = try Settings(environment: environment)
        sound(settings)
        expect(!settings.warnings.contains { $0.contains("hush-hush") }, "no warning shows a secret")
    } catch {
        expect(!error.all.isEmpty && error.all.allSatisfy { SettingName(rawValue: $0.name) != nil }, "an error names a setting")
        expect(!error.description.contains("hush-hush"), "no error shows a secret")
    }
}

/// What may stand in a file of its own is a secret, but for the name that goes with one.
private let secrets = SettingName.allCases.filter { $0.hasFile && $0 != .spotifyClientID }

private func sound(_ settings: Settings) {
    expect((1...256).contains(settings.workers) && (1...64).contains(settings.threads), "there is somebody to work")
    expect(settings.missWait > .zero && settings.mirrorWait > .zero && settings.mirrorWait <= settings.missWait, "waits have an end")
    expect(settings.minInterval >= .zero && settings.callsPerHour > 0 && settings.queueLimit > 0, "the pace is one")
    expect(settings.socketMode <= 0o777, "the mode is one of permissions")
    for length in [settings.missWait, settings.minInterval, settings.spotify.timeout, settings.ttl.spotify, settings.ttl.temp] {
        // Whoever adds a setting to a clock must not pass the end of 64 bits of nanoseconds.
        expect(length.wholeNanoseconds <= Int64.max / 4 + 1_000_000_000, "a length fits behind any instant")
    }
}

private func single(_ text: String) {
    if let address = ListenAddress(text) {
        expect(ListenAddress(address.description).map { "\($0)" } == address.description, "an address reads back")
    }
    if let url = BaseURL(text) {
        expect(BaseURL(url.text) == url, "a base URL reads back")
        let isPlain = url.text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "<") }
        expect(isPlain, "it can stand in a link")
        expect(!url.text.dropFirst("https://".count).contains("/"), "it has no path")
    }
    if let length = Duration(setting: text) { expect(length >= .zero, "a length of a setting is not negative") }
}

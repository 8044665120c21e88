import Testing

@testable import Sessions

/// Against what swingmusic 3.0.1 made of songs with these tags.
@Suite struct TrackHashTests {
    @Test(arguments: [
        ("Run Away With Me", "Emotion", "Carly Rae Jepsen", "7e9f81e69892aaa2"),
        ("Ü", "÷", "!!!", "a40bd12030046ffe"),
        ("Cut To The Feeling (Live)", "Odd [x] y", "AC/DC; Sia", "2729a50cb3a8916c"),
        ("Für Elise!", "Various ½", "Ludwig van Beethoven, Anna", "d1cb761565e53b9e"),
        ("?!", "夜に駆ける", "ヨアソビ", "5404ff14e1d6fcf3"),
        ("İstanbul", "ŞĞ", "ΑΒΓ", "ef879fc4bba2ebcd"),
        ("Øresund ʰ Ⅷ ²", "ﬁ", "Ǆ", "a19cd20c1cc0a6e0"),
    ])
    func aSongHasTheHashBySwingmusicsRoutes(title: String, album: String, artists: String, hash: String) {
        #expect(TrackHash.of(title: title, album: album, artists: artists) == hash)
    }

    /// The function is another for each of these lengths.
    @Test(arguments: [
        ("", "", "", "2d06800538d394c2"), ("a", "", "", "e6c632b61e964e1f"), ("ab", "", "", "a873719c24d5735c"),
        ("abcd", "", "e", "55c65158ee9e652d"), ("abcdefgh", "", "", "6f45a76842a96483"), ("abcdefghi", "", "", "e0dde4fc174590a0"),
        (String(repeating: "x", count: 16), "", "", "df76ff0d7f0d9edf"), (String(repeating: "x", count: 17), "", "y", "ac41c650b1e72a1b"),
    ])
    func shortOnesToo(title: String, album: String, artists: String, hash: String) {
        #expect(TrackHash.of(title: title, album: album, artists: artists) == hash)
    }

    @Test(arguments: [
        (30, 30, 30, "bdc98b3deb3502af"), (40, 40, 48, "057744e147fffb61"), (60, 60, 60, "5a55cd9afb4b72f8"),
        (80, 80, 80, "13f0b1e839304c4b"),
        (81, 80, 80, "f223c13b4c0bb8da"), (500, 300, 224, "50a4b8e1208a6d64"), (500, 300, 225, "e32499458e6bb5e0"),
    ])
    func longOnesToo(title: Int, album: Int, artists: Int, hash: String) {
        func text(_ letter: String, _ count: Int) -> String { String(repeating: letter, count: count) }
        #expect(TrackHash.of(title: text("l", title), album: text("m", album), artists: text("n", artists)) == hash)
        #expect(
            TrackHash.of(title: text("long ", 300), album: text("album ", 100), artists: text("artist ", 50)) == "fe96589c4d9d90d6")
    }

    /// By its settings, which may change at any time.
    @Test(arguments: [
        ("Song (feat. X)", "Album", "A"), ("Song [ft X]", "Album", "A"), ("Song (with X)", "Album", "A"), ("Song prod. X", "Album", "A"),
        ("Song - Remastered 2011", "Album", "A"), ("Song", "Album (Deluxe Edition)", "A"), ("Song", "Album", "A; A"),
        ("ΟΔΟΣ", "Album", "A"),
    ])
    func whatSwingmusicMayShowOtherwiseHasNone(title: String, album: String, artists: String) {
        #expect(TrackHash.of(title: title, album: album, artists: artists) == nil)
    }
}

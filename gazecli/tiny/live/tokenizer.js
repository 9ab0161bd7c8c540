// Byte-level byte pair encoding, as Qwen's tokenizer does it.

const PIECES =
  /'(?:[sdmt]|re|ve|ll)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/giu;

export class Tokenizer {
  // vocabulary: token -> id. merges: pairs, the ones to be joined first in front. special: text -> id.
  constructor({ vocabulary, merges, special }) {
    this.vocabulary = vocabulary;
    this.special = special;
    this.ranks = new Map(merges.map((pair, rank) => [pair.join(" "), rank]));
    this.letters = byteLetters();
    this.bytes = new Map(this.letters.map((letter, byte) => [letter, byte]));
    this.words = [];
    for (const [word, id] of Object.entries(vocabulary)) this.words[id] = word;
    this.hidden = new Set(Object.values(special));
  }

  // Text with special tokens in it -> ids.
  encode(text) {
    const names = Object.keys(this.special).map((name) => name.replace(/[|\\{}()[\]^$+*?.]/g, "\\$&"));
    return text.split(new RegExp(`(${names.join("|")})`)).flatMap((part) => {
      if (part in this.special) return [this.special[part]];
      const pieces = part.normalize("NFC").match(PIECES) ?? [];
      return pieces.flatMap((piece) => this.join(piece).map((word) => this.vocabulary[word]));
    });
  }

  // The bytes of a piece, its pairs joined in the order of their ranks.
  join(piece) {
    let words = Array.from(new TextEncoder().encode(piece), (byte) => this.letters[byte]);
    for (;;) {
      let best = Infinity, at = -1;
      for (let i = 0; i + 1 < words.length; i++) {
        const rank = this.ranks.get(`${words[i]} ${words[i + 1]}`) ?? Infinity;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) return words;
      const [first, second] = [words[at], words[at + 1]];
      const joined = [];
      for (let i = 0; i < words.length; i++)
        if (words[i] === first && words[i + 1] === second) {
          joined.push(first + second);
          i++;
        } else joined.push(words[i]);
      words = joined;
    }
  }

  // Ids -> text, special tokens left out.
  decode(ids) {
    const letters = ids.filter((id) => !this.hidden.has(id)).map((id) => this.words[id] ?? "").join("");
    return new TextDecoder().decode(Uint8Array.from(Array.from(letters), (letter) => this.bytes.get(letter)));
  }
}

// The printable letter that stands for each byte (GPT-2).
function byteLetters() {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte < 256 && byte !== 173);
    return String.fromCodePoint(printable ? byte : next++);
  });
}

//! Removes DWARF from an object and keeps what a loader reads: code, maps, relocations, symbols, BTF. Done here, not by
//! llvm-strip, so that its version has no say in the bytes.

use anyhow::{Context as _, Result, bail};
use object::{
    build::elf::{Builder, SectionData},
    elf::SHT_STRTAB,
};

/// The object without its `.debug*` sections and what refers to them.
pub(super) fn debug_sections(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("the linker wrote no ELF object")?;
    for section in &mut builder.sections {
        let name = section.name.to_string();
        section.delete = name.starts_with(".debug") || name.starts_with(".rel.debug");
    }
    builder.delete_orphans();
    if let Some(symbol) = builder.symbols.iter().find(|symbol| is_mangled(&symbol.name.to_string())) {
        bail!(
            "the symbol {} bears a hash of the paths it was built from, so the bytes would differ elsewhere\n\
             hint: inline that function, or give it #[unsafe(no_mangle)] and extern \"C\"",
            symbol.name
        );
    }
    // LLVM keeps section and symbol names in one table; the builder wants two.
    let names = builder.sections.add();
    names.name = ".shstrtab".into();
    names.sh_type = SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder.write(&mut stripped).context("cannot write the stripped object")?;
    Ok(stripped)
}

/// Whether rustc made the name: `_R` and the crate's hash (RFC 2603), or the older `_ZN`.
fn is_mangled(name: &str) -> bool {
    name.starts_with("_R") || name.starts_with("_ZN")
}

//! The intent service as a vault's owner uses it: the program, over HTTP, on a chain of its own.

mod document;
mod ends;
mod killed;
mod many;
mod node;
mod order_book;
mod path;
mod prices;
mod refused;
mod slices;
mod world;

// Served below a path of its own, hence relative.
export default { base: './', worker: { format: 'es' } };

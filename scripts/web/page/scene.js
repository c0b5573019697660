// A CT with a label map over it on one canvas: what the page needs of NiiVue.

const LIBRARY = "./vendor/niivue-0.69.0/niivue.umd.js";

// Each view with the number that NiiVue has for it, and the axis (RAS) along which its slices lie.
export const VIEWS = {
  axial: {type: 0, axis: 2, name: "Axial"},
  coronal: {type: 1, axis: 1, name: "Coronal"},
  sagittal: {type: 2, axis: 0, name: "Sagittal"},
  all: {type: 3, axis: 2, name: "All three"},
  volume: {type: 4, axis: null, name: "3D"},
};

const OPTIONS = {
  isRadiologicalConvention: true, // the patient's right is on the left
  isOrientationTextVisible: true,
  showAllOrientationMarkers: true,
  fontColor: [1, 1, 1, 1],
  fontMinPx: 16,
  crosshairColor: [1, 0.85, 0.25, 0.75],
  crosshairWidth: 0.7,
  crosshairWidthUnit: "mm",
  crosshairGap: 20,
  backColor: [0, 0, 0, 1],
  show3Dcrosshair: false,
  multiplanarShowRender: 0, // never
  multiplanarPadPixels: 24,
  isOrientCube: true, // in 3D
  dragAndDropEnabled: false, // a dropped file is an upload
  logLevel: "silent",
  dragMode: 9, // with the right button: windowing
};

export function canDraw() {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

const GLASSY = 2; // of 255, at each step of a ray
const FROM_THE_FRONT = [170, 10]; // degrees

// `image`, `overlay`: NIfTI files as buffers, the second null where there is none; `classes`: of the overlay, with
// `value`, `name` and `colour`; `focus`: the class that the others must not hide in 3D, or null. `onPlace(scene)` is called when another place is shown, `onWindow` with its HU.
export async function createScene(canvas, {image, overlay, classes, focus, windowHu, onPlace, onWindow}) {
  await import(LIBRARY);
  const {Niivue, NVImage} = globalThis.niivue;
  const viewer = new Niivue({...OPTIONS});
  await viewer.attachToCanvas(canvas);
  const load = (buffer, name, colormap) => NVImage.new(buffer, name, colormap, 1, null, ...windowHu);
  const ct = await load(image, "ct.nii", "gray");
  viewer.addVolume(ct);
  const labels = overlay && await load(overlay, "labels.nii", "gray");
  let [view, opacity, isOutlined, hidden] = ["axial", 0.5, false, new Set()];

  const isVeil = (value) => view === "volume" && focus !== null && value !== focus;
  const colour = () => {
    if (!labels) return;
    const values = [0, ...classes.map(({value}) => value)];
    const part = (channel) => [0, ...classes.map((one) => one.colour[channel])];
    labels.setColormapLabel({
      R: part(0), G: part(1), B: part(2), I: values,
      A: values.map((value) => (value === 0 || hidden.has(value) ? 0 : isVeil(value) ? GLASSY : 255)),
      labels: ["", ...classes.map(({name}) => name)],
    });
  };
  const redraw = () => {
    const solid = view === "volume" && labels !== null; // the CT would hide what is in it
    ct.opacity = solid ? 0 : 1;
    if (labels) labels.opacity = solid ? 1 : isOutlined ? 0 : opacity;
    viewer.opts.atlasOutline = isOutlined && !solid ? opacity : 0;
    colour();
    viewer.updateGLVolume();
  };
  if (labels) {
    colour();
    viewer.addVolume(labels);
  }
  viewer.setRenderAzimuthElevation(...FROM_THE_FRONT);

  const scene = {
    canvas,
    setView(name) {
      view = name;
      redraw();
      viewer.setSliceType(VIEWS[view].type);
      onPlace(scene);
    },
    setWindow([low, high]) {
      [ct.cal_min, ct.cal_max] = [low, high];
      viewer.updateGLVolume();
    },
    setOpacity(share) {
      opacity = share;
      redraw();
    },
    setHidden(values) {
      hidden = values;
      redraw();
    },
    setOutlined(instead) {
      isOutlined = instead;
      redraw();
    },
    // The slice that is shown, from 0, and how many there are; null in 3D.
    slice() {
      const {axis} = VIEWS[view];
      if (axis === null) return null;
      return {index: Math.round(viewer.frac2vox(viewer.scene.crosshairPos)[axis]), count: ct.dimsRAS[axis + 1]};
    },
    goTo(index) {
      const now = scene.slice();
      const steps = [0, 0, 0];
      if (now === null) return;
      steps[VIEWS[view].axis] = Math.max(0, Math.min(now.count - 1, index)) - now.index;
      viewer.moveCrosshairInVox(...steps);
    },
    turn(azimuth, elevation) {
      viewer.setRenderAzimuthElevation(viewer.scene.renderAzimuth + azimuth, viewer.scene.renderElevation + elevation);
    },
    // The place as shares of the extent, which another scene may take over.
    place: () => [...viewer.scene.crosshairPos],
    setPlace(shares) {
      viewer.scene.crosshairPos = viewer.scene.crosshairPos.map((_, axis) => shares[axis]);
      viewer.drawScene();
    },
    // Density and class at the crosshair.
    value() {
      const mm = viewer.frac2mm(viewer.scene.crosshairPos, 0, true);
      const at = (volume) => volume.getValue(...volume.mm2vox(mm).slice(0, 3));
      return {hu: at(ct), label: labels ? Math.round(at(labels)) : 0};
    },
    // The axial slice where the class, or else any, is largest.
    largestSlice: (value) => (labels ? largestSlice(labels, value) : Math.floor(ct.dimsRAS[3] / 2)),
    dispose() {
      viewer.cleanup();
      viewer.gl.getExtension("WEBGL_lose_context")?.loseContext(); // a browser has few of them
    },
  };
  viewer.onLocationChange = () => onPlace(scene);
  viewer.onIntensityChange = () => onWindow([ct.cal_min, ct.cal_max]);
  scene.setView(view);
  return scene;
}

function largestSlice(labels, value) {
  const voxels = labels.img2RAS();
  const [, columns, rows, slices] = labels.dimsRAS;
  const area = columns * rows;
  let [largest, most, mostOfClass] = [Math.floor(slices / 2), 0, 0];
  for (let slice = 0; slice < slices; slice += 1) {
    let [any, ofClass] = [0, 0];
    for (let voxel = slice * area; voxel < (slice + 1) * area; voxel += 1) {
      if (voxels[voxel] !== 0) any += 1;
      if (voxels[voxel] === value) ofClass += 1;
    }
    if (ofClass > mostOfClass || (ofClass === mostOfClass && any > most)) {
      [largest, most, mostOfClass] = [slice, any, ofClass];
    }
  }
  return largest;
}
